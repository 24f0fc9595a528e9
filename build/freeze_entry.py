"""Where an executable with a model inside begins."""

from hakobu_runtime.frozen import main

main()
