import { render } from "preact";
import { keepFresh } from "./cities";
import { keepApp } from "./offline/keep";
import { Shell } from "./shell";

keepFresh();
keepApp();
const root = document.getElementById("app");
if (root) render(<Shell />, root);
