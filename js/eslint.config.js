import js from "@eslint/js";
import globals from "globals";

export default [
  { ignores: ["node_modules/"] },
  js.configs.recommended,
  {
    languageOptions: { globals: globals.browser },
    rules: {
      "no-unused-vars": [
        "error",
        { argsIgnorePattern: "^_", destructuredArrayIgnorePattern: "^_" },
      ],
      "prefer-const": "error",
      eqeqeq: "error",
    },
  },
  {
    files: ["build.mjs", "coverage.mjs", "eslint.config.js", "test/**", "preview/**/*.mjs"],
    languageOptions: { globals: globals.node },
  },
];
