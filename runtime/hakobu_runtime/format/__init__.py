"""The formats of hakobu: frozen values with a JSON border, and pure arithmetic over them."""
