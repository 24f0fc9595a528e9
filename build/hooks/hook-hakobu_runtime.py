"""What PyInstaller does not see that hakobu_runtime needs."""

# The commands import their modules when they run, and `load` is imported by name.
from PyInstaller.utils.hooks import collect_submodules

hiddenimports = collect_submodules("hakobu_runtime", filter=lambda name: not name.endswith("__main__"))
