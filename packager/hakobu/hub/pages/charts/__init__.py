"""What the pages draw: SVG by hand, whose colours the style sheet decides."""
