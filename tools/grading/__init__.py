"""How tools/grade.py works.

marks.py          the nbgrader marks of a notebook: which cells are answers, which are checks
sandbox.py        a process that sees few files and no network
surroundings.py   the files and environment variables that it does see
inside.py         the first program in there: it closes the doors behind itself
runner.py         the second: it runs the cells of a submission and writes down what came of them
kernel.py         the kernel in which it runs them, with limits
processes.py      those limits, and the end of all processes
points.py         which exercises are solved, by what was written down
tables.py         the results in Markdown and CSV
"""
