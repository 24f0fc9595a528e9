"""What PyInstaller does not see that arro3.core needs."""

# The compiled parts of arro3 import each other, and Python's own modules, where no analysis sees it.
from PyInstaller.utils.hooks import collect_submodules

hiddenimports = ["decimal", "zoneinfo", *collect_submodules("arro3")]
