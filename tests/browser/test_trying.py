"""Generation steps, ablated heads and comparisons in a real JupyterLab with trained models."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.test_lab import drawn

WRITTEN = """import attn_widget as aw
runner = aw.ModelRunner("HuggingFaceTB/SmolLM2-135M-Instruct")
seen = runner.generate("The capital of France is", max_new_tokens=6)
w = aw.AttentionWidget(seen, runner, layer=20)
w"""
ANSWERS = """place = seen.steps[{step}].position
found = aw.ablate(runner, list(seen.tokens.ids), [(20, 3)], mode="{how}", position=place)
for name, a, b in found.top():
    print(f"{{name}}|{{100 * a:.1f}} → {{100 * b:.1f}} %")"""


def picture(page, name: str) -> None:
    """Save a screenshot in the folder TRYING_PICTURES, if that is set."""
    if "TRYING_PICTURES" in os.environ:
        page.screenshot(path=Path(os.environ["TRYING_PICTURES"]) / f"{name}.png")


@pytest.mark.slow
def test_generation_steps_can_be_chosen_and_heads_ablated(open_notebook):
    notebook = open_notebook(WRITTEN)
    notebook.run(0)
    widget = notebook.widget()
    drawn(widget, "head", "raw", 20)
    slider = widget.locator("[data-steps] input")
    expect(slider).to_be_visible()
    slider.fill("0")
    expect(widget.locator("[data-steps] output")).to_have_text("1 of 7")
    told = notebook.add(
        "print(w.step, w.query, seen.steps[0].position, seen.steps[0].token.strip())"
    ).split()
    assert told[0] == "0"
    assert told[1] == f"[{told[2]}]"
    expect(widget.locator("[data-steps] [data-chosen] b")).to_have_text(told[3])
    picture(notebook.page, "step-light")
    notebook.add("w.step = 2")
    expect(widget.locator("[data-steps] output")).to_have_text("3 of 7")
    notebook.add("w.step = 0")
    expect(widget.locator("[data-steps] output")).to_have_text("1 of 7")
    button = widget.locator("[data-ablation] [data-off='3']")
    button.click()
    answers = widget.locator("[data-ablation] .likely-token")
    expect(answers.first).to_be_visible()
    answered = {}
    for how in ("zero", "mean"):
        widget.locator("[data-ablation] select").select_option(how)
        lines = notebook.add(ANSWERS.format(step=0, how=how)).splitlines()
        expect(answers).to_have_count(len(lines))
        for i, line in enumerate(lines):
            expect(answers.nth(i)).to_contain_text(line.split("|")[1])
        answered[how] = lines
    assert answered["zero"] != answered["mean"]
    expect(button).to_have_attribute("aria-checked", "true")
    picture(notebook.page, "off-light")
    notebook.theme("dark")
    picture(notebook.page, "off-dark")
    button.click()
    expect(answers).to_have_count(0)
    # An error in the model is shown beside the buttons.
    notebook.add("runner.model.model.layers[3].register_forward_pre_hook(lambda *a: 1 / 0); None")
    button.click()
    expect(widget.locator("[data-ablation] [role=status]")).to_contain_text(
        "ZeroDivisionError: division by zero"
    )
    notebook.page.set_viewport_size({"width": 620, "height": 1000})
    picture(notebook.page, "failed-narrow")


COMPARED = """import attn_widget as aw
runner = aw.ModelRunner("sentence-transformers/all-MiniLM-L6-v2")
text = "After the meeting the nurse said that {} was late for it."
she, he = (runner.run(text.format(word)) for word in ("she", "he"))
c = aw.compare(she, he, layer=3, head=2)
c"""


def test_two_texts_are_compared_side_by_side(open_notebook):
    notebook = open_notebook(COMPARED, width=1500)
    notebook.run(0)
    left, right = notebook.widget(0), notebook.widget(1)
    for widget in (left, right):
        drawn(widget, "matrix", "raw", 3)
    still, dark = (notebook.page.locator(f"img.attn-in-{theme}") for theme in ("light", "dark"))
    expect(still).to_be_visible()
    expect(dark).not_to_be_visible()
    before = still.get_attribute("src")
    picture(notebook.page, "compare-light")
    left.locator("[data-step=layer] button").last.click()
    drawn(right, "matrix", "raw", 4)
    expect(still).not_to_have_attribute("src", before)
    notebook.says("print(c.a.layer, c.b.layer, c.difference.layer)", "4 4 4")
    notebook.theme("dark")
    expect(dark).to_be_visible()
    expect(still).not_to_be_visible()
    picture(notebook.page, "compare-dark")
