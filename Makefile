# make          set up .venv, run every notebook that changed, write the report's figures and numbers, build the PDF
# make help     the other targets
# make run NB=XOR_NNsandbox      one notebook, or several in quotes; so also quick and notebooks

PYTHON    ?= python3
BIN       := .venv/bin
READY     := .venv/ready
NOTEBOOKS := $(wildcard *.ipynb companions/*/*.ipynb)
INSTALL   := $(BIN)/uv pip install --python $(BIN)/python
DOCUMENTS := report/report.tex $(wildcard companions/*/writeup.tex)
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)
# The system's certificates, as pip takes them: a network with a proxy of its own needs them.
export UV_SYSTEM_CERTS ?= true
# Where this is set, every process would compile torch and wandb again: about 9 seconds each.
unexport PYTHONDONTWRITEBYTECODE

.NOTPARALLEL:  # -j would build the report while the notebooks write its figures
.PHONY: all setup run quick test notebooks report site submission pack practice grade bench compare count address clean help
all: run report

help:  ## show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 12

$(READY): pyproject.toml requirements.txt requirements-dev.txt constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet uv
	$(INSTALL) -r requirements.txt -r requirements-dev.txt -c constraints.txt
	$(INSTALL) --quiet --offline --no-deps --no-build-isolation -e .
	@touch $@

setup: $(READY)  ## create .venv with everything in it

run: $(READY)  ## execute the notebooks whose code, modules or data changed; NB=name: that one only
	$(BIN)/python tools/notebooks.py run $(NB)

quick: $(READY)  ## the same in the quick form, into build/notebooks/quick
	$(BIN)/python tools/notebooks.py quick $(NB)

test: $(READY)  ## lint, unit tests, and every notebook in its quick form
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	COURSEWORK_QUICK=1 COURSEWORK_STATE=$$(date +%s) WANDB_MODE=offline TQDM_DISABLE=1 OMP_NUM_THREADS=1 \
	LOKY_MAX_CPU_COUNT=1 \
	$(BIN)/python -m pytest -n 2 --nbmake --durations=10 tests $(NOTEBOOKS)

notebooks: $(READY)  ## run, then refresh the stored outputs and the numbers in the prose
	$(BIN)/python tools/notebooks.py store $(NB)

report:  ## build report/report.pdf and the companions' write-ups from the figures and numbers that are there
	@command -v latexmk >/dev/null || { echo "no report.pdf: latexmk is missing. Debian: apt install latexmk" \
	  "texlive-latex-recommended texlive-fonts-recommended lmodern; others: TeX Live or MiKTeX"; exit 0; }; \
	for d in $(DOCUMENTS); do \
	  (cd $$(dirname $$d) && SOURCE_DATE_EPOCH=0 FORCE_SOURCE_DATE=1 latexmk -pdf -interaction=nonstopmode -halt-on-error \
	    -silent -emulate-aux-dir -auxdir="$(CURDIR)/build/latex/$$(dirname $$d)" -outdir=. $$(basename $$d)) \
	    && echo "built $${d%.tex}.pdf" || exit 1; \
	done

site: $(READY)  ## render notebooks, README and sandbox as a web site, in build/site; it opens without a network
	$(BIN)/python tools/website.py

submission: $(READY) report  ## zip the sources and put the report beside it, in build/submission, if the rules are kept
	$(BIN)/python tools/submission.py

pack: $(READY)  ## zip the code of ELEC 576 as it is handed in, in build/submission; NETID=... names it
	$(BIN)/python companions/elec576/pack.py $(or $(NETID),netid)

practice: $(READY)  ## the notebooks without their answers, for students, in build/practice
	$(BIN)/python tools/practice.py

grade: $(READY)  ## grade filled-in practice notebooks: FILE=notebook or folder; OUT=grades.csv, SECONDS=60, MEMORY=4000
	@test -n "$(FILE)" || { echo "Please name a notebook or a folder of them: make grade FILE=..."; exit 2; }
	$(BIN)/python tools/grade.py "$(FILE)" $(if $(OUT),--out "$(OUT)") \
	  $(if $(SECONDS),--seconds $(SECONDS)) $(if $(MEMORY),--memory $(MEMORY)) $(if $(JOBS),--jobs $(JOBS))

bench: $(READY)  ## measure the speed claims, as ratios in one run
	for b in benchmarks/*.py; do OMP_NUM_THREADS=1 TQDM_DISABLE=1 $(BIN)/python $$b || exit 1; done

compare: $(READY)  ## the numbers of the latest full run against the stored ones, and who quotes them
	$(BIN)/python tools/compare.py

count: $(READY)  ## how long functions and cells are, how much of the notebooks is plot code
	$(BIN)/python tools/count.py

address: $(READY)  ## write the Colab cell and the address of git's origin, or of TO=https://github.com/OWNER/NAME
	$(BIN)/python tools/notebooks.py address $(if $(TO),--to $(TO))

clean:  ## remove what was built, but not .venv
	rm -rf build .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path "./.venv/*" -prune -exec rm -rf {} +
