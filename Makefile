# `make mnist`, `make dcgan` and `make dqn` run demos, `make test` passes the tests; each makes its
# own .venv first.
# Options go through ARGS: make mnist ARGS="--epochs 3 --check"
PYTHON ?= python3
VENV ?= .venv
SOURCES := pyproject.toml CMakeLists.txt $(shell find csrc pydl -type f -not -name '*.pyc' -not -name '*.so')

mnist: $(VENV)/demos.stamp
	$(VENV)/bin/python demos/mnist_cnn.py $(ARGS)

dcgan: $(VENV)/demos.stamp
	$(VENV)/bin/python demos/dcgan.py $(ARGS)

dqn: $(VENV)/rl.stamp
	$(VENV)/bin/python demos/dqn.py $(ARGS)

test: $(VENV)/test.stamp
	$(VENV)/bin/pytest $(ARGS)

# Each stamp is one `pip install` of the extra it names; [test] holds [demos] and [rl].
$(VENV)/%.stamp: $(SOURCES)
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet ".[$*]"
	touch $@ $(if $(filter test,$*),$(VENV)/demos.stamp $(VENV)/rl.stamp)

clean:
	rm -rf build dist $(VENV)

.PHONY: mnist dcgan dqn test clean
