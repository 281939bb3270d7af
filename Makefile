# make report        environment, synthetic corpus, report executed with HTML beside it, both in build/,
#                    a model to score with, and a table of what each stage took
# make report COMMIT=1   the same, and the committed report, figures and results are replaced
# make test          environment, linters, unit tests, every notebook executed on a tiny corpus
# make slow          tests that take minutes: coverage of the intervals, leaks into every network
# make coverage      the share of hiphoplib's branches that tests pass through; fails under 90 %
# make mutation      which changes of splits, statistics, swap test and spectrogram no test notices
# make stages        the notebooks in notebooks/ executed in place
# make pictures      docs/example_report.html on ten rendered songs, and its pictures, by Chromium
# make presentation  Presentation.pdf from the report's results
# make hiphop        real hip-hop from the Free Music Archive, from download to a model to score with
# make real FOLDER=…  every model on a folder of real recordings, five folds, five seeds
# make bench         speed and peak memory here: docs/performance.md, notebooks/results/bench.json; 25 minutes
PYTHON ?= python3
SEEDS ?= 5
N ?= 4000
VENV := .venv
BIN := $(VENV)/bin
NOTEBOOKS := HipHopPopularity.ipynb $(sort $(wildcard notebooks/*.ipynb))
REAL := "data/$$(basename "$$FOLDER")"
TINY := TQDM_DISABLE=1 HIPHOP_TINY=1

# pip would say so after minutes, and not as clearly
CAN_INSTALL := import platform, sys; here = platform.system(), platform.machine(); \
	sys.exit("TensorFlow is there for Python 3.11 to 3.13, this is " + sys.version.split()[0] \
	+ "; name another one, as in make PYTHON=python3.13" \
	if not (3, 11) <= sys.version_info < (3, 14) else "TensorFlow is not there for Macs with an " \
	+ "Intel processor; open the notebook on Colab" if here == ("Darwin", "x86_64") else 0)

.PHONY: report stages test slow coverage mutation pictures presentation hiphop real bench clean

report: $(VENV)/installed
	$(BIN)/python -m hiphoplib notebooks $(if $(COMMIT),--commit)

stages: $(VENV)/installed
	$(BIN)/python -m hiphoplib notebooks $(sort $(wildcard notebooks/*.ipynb))

test: $(VENV)/installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports --no-logo
	$(BIN)/mypy
	$(BIN)/python -m pytest -q -n auto --durations 15 --doctest-modules hiphoplib tests
	$(TINY) $(BIN)/python -m pytest -q -n auto -p no:cacheprovider \
		--nbval-lax --nbval-cell-timeout 600 $(NOTEBOOKS)

slow: $(VENV)/installed
	$(BIN)/python -m pytest -q -m slow tests
	HIPHOP_EXAMPLES=2000 $(BIN)/python -m pytest -q tests/tracks/test_any_table.py \
		tests/audio/test_headers.py

# without tests that measure time or limit the size of files, which coverage changes
coverage: $(VENV)/installed
	$(BIN)/python -m pytest -q -n auto --cov=hiphoplib -k "not full_disk and not take_seconds" tests

# about 10 minutes; what is changed, and which tests have to notice it, stands in pyproject.toml
mutation: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check mutmut==3.8.1 -c constraints.txt
	$(BIN)/mutmut run --max-children 2
	$(BIN)/mutmut results
	$(BIN)/mutmut export-cicd-stats && cat mutants/mutmut-cicd-stats.json

pictures: $(VENV)/installed
	$(BIN)/python -m hiphoplib pictures $(if $(MODEL),--model $(MODEL))

presentation: $(VENV)/installed
	$(BIN)/python -m hiphoplib presentation

# each step goes on where it was stopped, so the target does, too
hiphop: $(VENV)/installed
	@echo "Downloads 342 MiB of metadata and about $(N) MB of clips, then works: for 4,000 clips"
	@echo "an estimated hour on two cores. Ctrl-C stops it; the same command goes on."
	$(BIN)/python -m hiphoplib gather fma --n $(N) --out data/hiphop
	$(BIN)/python -m hiphoplib mels data/hiphop
	$(BIN)/python -m hiphoplib features data/hiphop
	$(BIN)/python -m hiphoplib train data/hiphop --model crnn --seeds $(SEEDS) --out models/hiphop
	$(BIN)/python -m hiphoplib evaluate data/hiphop --json notebooks/results/hiphop.json

# the shell reads FOLDER, which may hold blanks, from its environment; so it does HIPHOP_CORPUS
real: $(VENV)/installed
	@test -n "$$FOLDER" || { echo "real: which folder? make real FOLDER=path/to/folder"; exit 1; }
	$(BIN)/python -m hiphoplib gather folder "$$FOLDER" --out $(REAL)
	$(BIN)/python -m hiphoplib mels $(REAL)
	$(BIN)/python -m hiphoplib features $(REAL)
	$(BIN)/python -m hiphoplib train $(REAL) --folds 5 --seeds $(SEEDS) \
		--model mlp --model cnn1 --model cnn2 --model rnn --model crnn
	$(BIN)/python -m hiphoplib evaluate $(REAL) --folds 5 \
		--json "notebooks/results/$$(basename "$$FOLDER").json"

bench: $(VENV)/installed
	$(BIN)/python -m hiphoplib bench
	$(BIN)/python -m hiphoplib bench-table docs/performance.md notebooks/results/bench.json

# the file says what it took: seconds, and what the shell knows of user and kernel time
$(VENV)/installed: requirements.txt constraints.txt requirements-musicnn.txt
	@$(PYTHON) -c '$(CAN_INSTALL)'
	begin=$$(date +%s); $(PYTHON) -m venv $(VENV) \
		&& $(BIN)/python -m pip install --quiet --disable-pip-version-check \
			-r requirements.txt -c constraints.txt \
		&& $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
			-r requirements-musicnn.txt \
		&& { echo $$(($$(date +%s) - begin)); times; } > $@

clean:
	rm -rf $(VENV) build data
