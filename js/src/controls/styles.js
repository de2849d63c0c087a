// The widget's style sheet, kept as a string: it lives in the shadow root of every view.

export const css = /* css */ `
:host{display:block;--aw-hatch:rgba(26,28,31,.13);
--aw-ui:var(--jp-ui-font-family,var(--vscode-font-family,system-ui,-apple-system,"Segoe UI",Helvetica,Arial,sans-serif));
--aw-read:Charter,"Bitstream Charter","Iowan Old Style","Source Serif 4",Georgia,"Liberation Serif",serif;
--aw-mono:var(--jp-code-font-family,var(--vscode-editor-font-family,ui-monospace,Menlo,Consolas,"Liberation Mono",monospace))}
:host,:host([data-theme=light]){color-scheme:light;
--aw-paper:var(--jp-layout-color0,var(--vscode-editor-background,#fff));
--aw-ink:var(--jp-content-font-color0,var(--vscode-foreground,#1a1c1f));
--aw-ink-2:#555a62;--aw-ink-3:#686d76;--aw-rule:#e4e6e9;--aw-rule-2:#b9bdc4;--aw-fill:#f2f3f5;
--aw-accent:#1f5fd0;--aw-warn:#8a5300;--aw-error:#b3261e}
:host([data-theme=dark]){color-scheme:dark;--aw-hatch:rgba(255,255,255,.14);
--aw-paper:var(--jp-layout-color0,var(--vscode-editor-background,#111));
--aw-ink:var(--jp-content-font-color0,var(--vscode-foreground,#e8e9eb));
--aw-ink-2:#a9aeb6;--aw-ink-3:#8b9099;--aw-rule:#2a2c30;--aw-rule-2:#53575f;--aw-fill:#1e2023;
--aw-accent:#7fb0ff;--aw-warn:#e3b04b;--aw-error:#ff8d84}
:host([data-explicit][data-theme=light]){--aw-paper:#fff;--aw-ink:#1a1c1f;background:#fff}
:host([data-explicit][data-theme=dark]){--aw-paper:#111;--aw-ink:#e8e9eb;background:#111}
:host([data-explicit]) .aw{padding:0 8px}
.aw{font:12px/16px var(--aw-ui);color:var(--aw-ink);font-variant-numeric:tabular-nums;text-align:left;
position:relative;padding:0 1px;-webkit-text-size-adjust:100%;max-width:1440px}
.aw *{box-sizing:border-box}
button,select,input,textarea{font:inherit;color:inherit;background:none;border:0;padding:0;margin:0;border-radius:0}
button{cursor:pointer}
:focus{outline:none}
:focus-visible{outline:2px solid var(--aw-accent);outline-offset:2px;border-radius:2px}
button:disabled,select:disabled,input:disabled{color:var(--aw-rule-2);cursor:default}
[hidden]{display:none!important}
.lab{color:var(--aw-ink-3)}
.gap{flex:1;min-width:0}

.bar{display:flex;flex-wrap:wrap;align-items:stretch;column-gap:20px;min-height:33px;border-bottom:1px solid var(--aw-rule);position:relative}
.bar>*{height:32px;display:flex;align-items:center}
.tabs{gap:16px}
.tabs button{display:block;height:33px;line-height:31px;margin-bottom:-1px;border-bottom:2px solid transparent;
color:var(--aw-ink-2);font-size:13px;text-align:center}
.tabs button::after,.seg button::after{content:attr(data-t);display:block;height:0;overflow:hidden;visibility:hidden;font-weight:600}
.tabs [aria-selected=true]{color:var(--aw-ink);border-bottom-color:var(--aw-ink);font-weight:600}
.tabs button:disabled{color:var(--aw-rule-2);font-weight:400;border-bottom-color:transparent}
.tabs button:not(:disabled):hover,.seg button:not(:disabled):hover,.step button:not(:disabled):hover{color:var(--aw-ink)}
.seg{gap:2px}
.seg button{height:22px;padding:0 8px;border-radius:3px;color:var(--aw-ink-2)}
.seg [aria-checked=true]{background:var(--aw-fill);color:var(--aw-ink);font-weight:600}
.seg button:disabled{color:var(--aw-rule-2);font-weight:400;background:none}
.seg .more{height:22px;margin-left:6px;color:var(--aw-ink-2);width:5.6ch}
.seg .more[data-chosen=true]{color:var(--aw-ink);font-weight:600;background-color:var(--aw-fill);border-radius:3px;padding-left:8px;width:auto}
.steps .step{display:flex;align-items:center}
.filters>.steps{flex-wrap:wrap;gap:0 15px}
.step{gap:6px;white-space:nowrap}
.step b{font-weight:600;min-width:2ch;text-align:center}
.step button{width:18px;height:22px;color:var(--aw-ink-2);border-radius:3px}
.step button:disabled{color:var(--aw-rule-2)}
.icons{gap:4px}
.icons>*{position:relative;width:24px;height:24px;display:grid;place-items:center;color:var(--aw-ink-2);border-radius:3px}
.icons>:hover,.icons>:has(:focus-visible),.icons [aria-expanded=true]{background:var(--aw-fill);color:var(--aw-ink)}
.icons select{position:absolute;inset:0;opacity:0;cursor:pointer}
svg{width:16px;height:16px;fill:none;stroke:currentColor;stroke-width:1.4;stroke-linecap:round;stroke-linejoin:round;display:block;flex:none}
.progress{position:absolute;left:0;bottom:-1px;height:2px!important;background:var(--aw-accent)}

.filters{display:flex;flex-wrap:wrap;align-items:center;column-gap:15px;min-height:36px;color:var(--aw-ink-2)}
.filters>*{display:flex;align-items:center;gap:6px;min-height:36px}
.filters b{font-weight:400;color:var(--aw-ink)}
.heads>.lab{margin-right:2px}
.head-toggles{display:grid;gap:3px}
.head-toggle{border-radius:2px;font-size:10px;line-height:1;display:grid;place-items:center;border:1px solid var(--c);background:var(--c);color:var(--t)}
.head-toggle[aria-pressed=false]{background:none;color:var(--aw-ink-3)}
.head-toggle:hover{box-shadow:0 0 0 1px var(--aw-paper),0 0 0 2px var(--aw-ink)}
.head-toggle[data-isolated]{box-shadow:0 0 0 2px var(--aw-paper),0 0 0 3.5px var(--aw-ink)}
select{appearance:none;field-sizing:content;padding-right:12px;color:var(--aw-ink);cursor:pointer;background:
linear-gradient(45deg,transparent 50%,var(--aw-ink-2) 50%) right 3px center/4px 4px no-repeat,
linear-gradient(-45deg,transparent 50%,var(--aw-ink-2) 50%) right 0 center/4px 4px no-repeat}
option{background:var(--aw-paper);color:var(--aw-ink)}
label{cursor:pointer}
[type=checkbox]{appearance:none;width:12px;height:12px;border:1px solid var(--aw-ink-3);border-radius:2px;display:grid;place-items:center;cursor:pointer}
[type=checkbox]:checked{background:var(--aw-ink);border-color:var(--aw-ink)}
[type=checkbox]:checked::after{content:"";width:6px;height:3px;border:solid var(--aw-paper);border-width:0 0 1.5px 1.5px;transform:rotate(-45deg) translate(.5px,-.5px)}
[type=range]{appearance:none;width:64px;height:16px;cursor:pointer;background:linear-gradient(var(--aw-rule-2),var(--aw-rule-2)) center/100% 1px no-repeat}
[type=range]::-webkit-slider-thumb{appearance:none;width:9px;height:9px;border-radius:50%;background:var(--aw-ink)}
[type=range]::-moz-range-thumb{border:0;width:9px;height:9px;border-radius:50%;background:var(--aw-ink)}
.from output{min-width:3.6ch}
.find svg{color:var(--aw-ink-3)}
.find input{width:72px;height:22px;border-bottom:1px solid var(--aw-ink-3);color:var(--aw-ink)}
.find input[aria-invalid=true]{color:var(--aw-error);border-color:var(--aw-error)}
::placeholder{color:var(--aw-ink-3);opacity:1}

.filters>.likely{flex-wrap:wrap;gap:6px 15px}
.likely-token{display:grid;gap:3px;width:128px}
.likely-token span,.side li span{overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.likely-token i{height:3px;min-width:1px;background:var(--aw-rule-2)}
.likely-token[data-chosen] i,.likely-token i+i{background:var(--aw-accent)}
.filters>.seg{flex-wrap:wrap}

.texts{display:grid;grid-template-columns:auto minmax(0,1fr) auto;column-gap:8px;align-items:start;padding:2px 0 4px}
.texts .lab{line-height:22px}
.texts textarea{display:block;width:100%;height:25px;resize:none;overflow:hidden;font-size:13px;line-height:20px;padding:2px 0;
border-bottom:1px solid transparent;color:var(--aw-ink);white-space:pre;text-overflow:ellipsis}
.texts textarea:hover{border-bottom-color:var(--aw-rule-2)}
.texts textarea:focus{border-bottom-color:var(--aw-ink-3);white-space:pre-wrap;overflow:auto;outline:none}
.texts .link{line-height:24px}

.stage{position:relative;padding:8px 0 4px;border-radius:2px}
.stage[data-side]{display:grid;grid-template-columns:max-content minmax(0,264px);column-gap:clamp(28px,6vw,72px)}
.stage canvas{display:block;touch-action:manipulation;cursor:default;max-width:none}
.viewport{overflow-x:clip}
.viewport canvas{position:sticky;top:0}
.viewport[style*=height]{overflow-y:auto;scrollbar-width:thin;overscroll-behavior:auto}

.why{margin:20px 0;max-width:64ch;font-size:13px;line-height:20px}
.text{padding:4px 0 8px;min-width:0}
.text p{font:18px/31px var(--aw-read);margin:0;max-width:60ch;white-space:pre-wrap;overflow-wrap:anywhere;text-wrap:pretty}
.text[data-columns="2"]{display:grid;grid-template-columns:1fr 1fr;column-gap:40px}
.text span{padding:2px 0;border-radius:2px;cursor:default}
.text span.hover{box-shadow:0 0 0 1px var(--aw-ink)}
.text span.pin{background:var(--aw-ink)!important;color:var(--aw-paper);padding:2px;margin:0 -2px}
.text span.found{text-decoration:underline 2px var(--aw-accent);text-underline-offset:4px}
.narrow .text p{font-size:17px;line-height:28px}
.text p.apart{font:13px/20px var(--aw-ui);color:var(--aw-ink-3)}
.apart span{margin-right:8px}
.text p+canvas{margin-top:8px}
.nan{background:repeating-linear-gradient(135deg,var(--aw-ink-3) 0 1px,transparent 1px 4px)!important}
i.nan{display:inline-block;width:14px;height:10px;margin-right:6px}
.stage[data-text]{grid-template-columns:minmax(0,1fr) 208px;column-gap:40px}
.stage[data-text] .side h4{margin-top:4px}
.side{min-width:0;padding-top:8px}
.narrow .side{display:grid;gap:4px;padding-top:12px}
.side h4{margin:20px 0 6px;font:inherit;color:var(--aw-ink-3)}
.side h4 b{color:var(--aw-ink);font-weight:600}
.side ol{list-style:none;margin:0;padding:0}
.side li{display:grid;grid-template-columns:minmax(76px,36%) 1fr 42px;align-items:center;height:20px;column-gap:8px}
.side li small{color:var(--aw-ink-3);font-size:10px;margin-left:4px}
.side li i{display:block;height:6px}
.side li em{font-style:normal;text-align:right;color:var(--aw-ink-2)}
.note{color:var(--aw-ink-2);margin:16px 0 0;max-width:34ch;line-height:18px}
.legend{display:inline-flex;align-items:center;gap:7px;white-space:nowrap}
button.legend:hover .lab{text-decoration:underline;text-decoration-color:var(--aw-rule-2);text-underline-offset:3px}
.legend i{display:block;width:56px;height:8px}

.read{display:flex;align-items:baseline;gap:4px 16px;min-height:28px;padding-top:7px;border-top:1px solid var(--aw-rule);
font-size:13px;line-height:20px;white-space:nowrap;overflow:hidden}
.read b,.side h4 b{font-weight:600;unicode-bidi:isolate}
.read .tokens{flex-shrink:0;max-width:60%;overflow:hidden;text-overflow:ellipsis}
.read .m{color:var(--aw-ink-2);font-size:12px}
.read .m.cut{flex-shrink:1000;overflow:hidden;text-overflow:ellipsis}
.read .swatch{display:inline-block;width:9px;height:9px;margin-right:5px}
.read .wrong{color:var(--aw-error);font-weight:600;white-space:normal}
.read .wrong+.m{white-space:normal}
.caption{display:flex;flex-wrap:wrap;overflow-wrap:anywhere;align-items:center;column-gap:16px;min-height:20px;color:var(--aw-ink-2);padding-bottom:4px}
.mass{display:inline-flex;width:96px;height:5px;vertical-align:1px;margin-right:8px}
.mass i{display:block;height:5px}
.mass i:first-child{background:var(--aw-ink-2)}
.mass i:last-child{background:var(--aw-rule-2)}
.badge{display:inline-flex;gap:6px;align-items:center;color:var(--aw-ink-2)}
.badge.warn{color:var(--aw-warn);font-weight:600}
.badge.warn::before{content:"";width:0;height:0;border:4px solid transparent;border-bottom:7px solid currentColor;border-top:0}
.link{color:var(--aw-ink-2);text-decoration:underline;text-decoration-color:var(--aw-rule-2);text-underline-offset:3px}
.link:hover{color:var(--aw-ink);text-decoration-color:currentColor}
.message{padding:20px 0 24px;max-width:64ch}
.message h4{margin:0 0 6px;font:600 13px/20px var(--aw-ui);color:var(--aw-error)}
.message p{margin:0 0 10px;font-size:13px;line-height:20px;overflow-wrap:anywhere}
.message code{font:12px/20px var(--aw-mono);background:var(--aw-fill);padding:3px 6px;border-radius:2px;user-select:all}
.empty{min-height:120px}
.quiet{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}

.narrow .tabs{gap:12px}
.narrow .bar,.narrow .filters{column-gap:12px}
.narrow .filters,.narrow .filters>*{min-height:32px}
@media (prefers-reduced-motion:no-preference){.progress{transition:width .2s linear}.fade{animation:aw-fade .12s ease-out}@keyframes aw-fade{from{opacity:.35}}}
@media (forced-colors:active){:host{--aw-ink:CanvasText;--aw-ink-2:CanvasText;--aw-ink-3:CanvasText;--aw-paper:Canvas;--aw-accent:Highlight;--aw-rule:GrayText;--aw-rule-2:GrayText}
.head-toggle,.mass i,.legend i,.side li i,.swatch{forced-color-adjust:none}}
`;
