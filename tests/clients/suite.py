"""The Python suite: the official openai client against running servers, started by run.py.
Usage: suite.py [PART OF A CASE'S NAME ...]"""
import sys

import answers  # noqa: F401  (each registers its cases)
import structured  # noqa: F401
import refusals  # noqa: F401
import greedy  # noqa: F401
from harness import main

sys.exit(main())
