"""How tools/grade.py works.

marks.py     the nbgrader marks of a notebook: which cells are answers, which are checks
sandbox.py   a process that sees few files and no network
inside.py    the first program in there: it closes the doors behind itself
runner.py    the second: it runs the cells in a kernel, with limits
tables.py    the results in Markdown and CSV
"""
