"use strict";
const root = document.documentElement;
const dark = () => (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
const toggle = document.getElementById("theme");
toggle.hidden = false;
toggle.addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; });
addEventListener("beforeprint", () => { for (const part of document.querySelectorAll("details")) part.open = true; });
const open = () => {
  const part = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (part) for (const inner of part.querySelectorAll(":scope > details")) inner.open = true;
};
addEventListener("hashchange", open);
open();
