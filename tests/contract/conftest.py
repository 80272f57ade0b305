"""The contract's registries are plain modules beside the tests, which pytest's importlib mode does not make importable by itself."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
