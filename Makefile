# make report        environment, synthetic corpus, report executed, HTML beside it, a model to score with
# make test          environment, unit tests, every notebook executed and compared
# make slow          tests that take minutes: coverage of the intervals, leaks into every network
# make pictures      the pictures of the client's report, by Chromium, on ten rendered songs
# make presentation  Presentation.pdf from the report's results
# make real FOLDER=…  the whole ladder on a folder of real recordings, five folds, five seeds
# make bench         speed and peak memory here: README, notebooks/results/bench.json; 20 minutes
PYTHON ?= python3
SEEDS ?= 5
VENV := .venv
BIN := $(VENV)/bin
NBCONVERT := TQDM_DISABLE=1 $(BIN)/jupyter nbconvert --log-level WARN --ExecutePreprocessor.record_timing=False
STAGES := $(sort $(wildcard notebooks/*.ipynb))

# a report on another corpus leaves the committed one as it is
ifdef HIPHOP_CORPUS
CORPUS := data/$(notdir $(patsubst %/,%,$(HIPHOP_CORPUS)))
REPORT := build/$(notdir $(CORPUS))
else
CORPUS := data/synthetic
REPORT := .
endif

.PHONY: report stages test slow pictures presentation real bench clean

report: $(VENV)/installed
	$(NBCONVERT) --to notebook --execute --output-dir $(REPORT) HipHopPopularity.ipynb
	$(NBCONVERT) --to html --output-dir $(REPORT) $(REPORT)/HipHopPopularity.ipynb
	$(BIN)/python -m hiphoplib train $(CORPUS) --model crnn --out models/$(notdir $(CORPUS))

stages: $(VENV)/installed
	$(NBCONVERT) --to notebook --execute --inplace $(STAGES)

test: $(VENV)/installed
	$(BIN)/python -m pytest -q hiphoplib
	TQDM_DISABLE=1 HIPHOP_OUT=build/test $(BIN)/python -m pytest -q --nbval --nbval-cell-timeout 1200 \
		HipHopPopularity.ipynb $(STAGES)

slow: $(VENV)/installed
	$(BIN)/python -m pytest -q -m slow hiphoplib

pictures: $(VENV)/installed
	$(BIN)/python -m hiphoplib.report_pictures

presentation: $(VENV)/installed
	$(BIN)/python -m hiphoplib.presentation

real: $(VENV)/installed
	$(BIN)/python -m hiphoplib gather folder $(FOLDER) --out data/$(notdir $(FOLDER))
	$(BIN)/python -m hiphoplib mels data/$(notdir $(FOLDER))
	$(BIN)/python -m hiphoplib features data/$(notdir $(FOLDER))
	$(BIN)/python -m hiphoplib train data/$(notdir $(FOLDER)) --folds 5 --seeds $(SEEDS) \
		--model mlp --model cnn1 --model cnn2 --model rnn --model crnn
	$(BIN)/python -m hiphoplib evaluate data/$(notdir $(FOLDER)) --folds 5 \
		--json notebooks/results/$(notdir $(FOLDER)).json

bench: $(VENV)/installed
	$(BIN)/python -m hiphoplib.bench
	$(BIN)/python -m hiphoplib.bench_table README.md notebooks/results/bench.json

$(VENV)/installed: requirements.txt constraints.txt requirements-musicnn.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		-r requirements.txt -c constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
		-r requirements-musicnn.txt
	touch $@

clean:
	rm -rf $(VENV) build data
