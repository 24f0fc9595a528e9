"""What PyInstaller does not see that msgspec needs."""

# The compiled part of msgspec imports the others when they are asked for.
from PyInstaller.utils.hooks import collect_submodules

hiddenimports = ["decimal", "uuid", "zoneinfo", *collect_submodules("msgspec")]
