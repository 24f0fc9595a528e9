"""Drawing by hand: SVG that takes its colours from the page's style sheet, in light, in dark and in print."""
