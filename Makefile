# agad. `make` builds, `make demo` shows, `make help` lists the rest.
# Shell work lies in .make/: packages.sh, libtorch.sh and configure.sh find or fetch what the build needs
# and leave it in build/config.mk, which this file reads.  Everything made goes to build/.

# ---- settings: change them here, or on the command line: make CC=clang PREFIX=$HOME/.local ----

ifeq ($(origin CC),default)
CC       = gcc
endif
ifeq ($(origin CXX),default)
CXX      = g++
endif
LIBTORCH ?=
PREFIX   ?= /usr/local
DESTDIR  ?=
OPTIMISE ?= -O2 -g1
SANITIZE ?=
CUDA_ARCHS ?= 80 90
B        ?= build
JOBS     ?= $(shell nproc)
# V=1 shows the commands in full.
Q        := $(if $(V),,@)

# Where `make install` puts things; a rock overrides them.
LUADIR   ?= $(PREFIX)/share/lua/5.4
CLUADIR  ?= $(PREFIX)/lib/lua/5.4
SHLIBDIR ?= $(PREFIX)/lib/agad
BINDIR   ?= $(PREFIX)/bin
INCDIR   ?= $(PREFIX)/include/agad
# The first two as BINDIR's launcher sees them; needed where files are moved once more, as a rock's are.
FROM_BIN ?=

WARN_C = \
	-Wall \
	-Wextra \
	-Wshadow \
	-Wvla \
	-Wundef \
	-Wwrite-strings \
	-Wpointer-arith \
	-Wcast-qual \
	-Wstrict-prototypes \
	-Wmissing-prototypes \
	-Wold-style-definition \
	-Wredundant-decls

WARN_CXX = \
	-Wall \
	-Wextra \
	-Wshadow \
	-Wwrite-strings \
	-Wpointer-arith \
	-Wcast-qual

# ---- what was found ----

GOALS   := $(or $(MAKECMDGOALS),all)
CONFIG  := build/config.mk
NO_CONFIG := clean help lint format test-deps
ifneq ($(filter-out $(NO_CONFIG),$(GOALS)),)
include $(CONFIG)
ifneq ($(if $(LIBTORCH),$(LIBTORCH),$(CONFIGURED_LIBTORCH))|$(CC)|$(CXX),$(CONFIGURED_LIBTORCH)|$(CONFIGURED_CC)|$(CONFIGURED_CXX))
STALE   := yes
else ifeq ($(wildcard $(TORCH)/lib/libtorch_cpu.so),)
STALE   := yes
endif
endif

ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(JOBS)
endif

# ---- what is made of what ----

SOURCES := $(wildcard $(foreach d,base at at/ops cpu net net/layers train data score,csrc/$d/*.c csrc/$d/*.cpp))
BINDING := $(wildcard csrc/lua/*.c)
CUDA    := $(wildcard csrc/cuda/*.cu csrc/cuda/*.cpp)
OBJECTS  = $(SOURCES:csrc/%=$(B)/obj/%.o)
BINDING_OBJECTS = $(BINDING:csrc/%=$(B)/obj/%.o)
CUDA_OBJECTS    = $(CUDA:csrc/%=$(B)/obj/%.o)

COMMON   = $(OPTIMISE) $(SANITIZE) -fPIC -MMD -MP -Icsrc
CFLAGS_  = -std=gnu11 $(COMMON) $(WARN_C) $(DEPS_CFLAGS) $(CFLAGS)
CXXFLAGS_ = -std=gnu++17 $(COMMON) $(WARN_CXX) -fopenmp -isystem $(TORCH)/include $(CXXFLAGS)
CUDA_HOME = $(patsubst %/bin/nvcc,%,$(realpath $(NVCC)))
NVFLAGS_ = -std=c++17 -O3 -Icsrc -isystem $(TORCH)/include --compiler-options -fPIC,-Wall,-Wextra \
	$(foreach a,$(CUDA_ARCHS),-gencode arch=compute_$a,code=sm_$a) \
	-gencode arch=compute_$(lastword $(CUDA_ARCHS)),code=compute_$(lastword $(CUDA_ARCHS))
# A library exports what its .map lists and nothing else, so that no other name can clash with one of the host's.
# core.so therefore holds the objects of libagad.so again.  nodelete: libtorch keeps pointers into both.
LINK      = $(CXX) -shared $(SANITIZE) -Wl,--disable-new-dtags -Wl,-z,nodelete
LINK_AGAD = $(LINK) $(if $(SANITIZE),,-Wl,-z,defs) -Wl,--version-script=csrc/score/agad.map $(OBJECTS) $(AGAD_LIBS)
LINK_CORE = $(LINK) -Wl,--version-script=csrc/lua/core.map $(OBJECTS) $(BINDING_OBJECTS) $(AGAD_LIBS)
# libgomp: torch's own copy, the only one that may be mapped (two OpenMP runtimes fight over the cores).
TORCH_LIBS = -L$(TORCH)/lib -Wl,--no-as-needed -ltorch_cpu -lc10 -Wl,--as-needed -l:$(GOMP)
AGAD_LIBS  = $(TORCH_LIBS) $(DEPS_LIBS) -lm

.PHONY: all demo check test test-deps bench figures pictures notebooks asan fuzz lint format cuda gpu-check install \
	clean help FORCE
.DELETE_ON_ERROR:

all: $(B)/lib/libagad.so $(B)/lib/agad/core.so $(B)/agad
	@echo "$(B)/agad is ready ($(FOUND))"

$(CONFIG): .make/configure.sh .make/packages.sh .make/libtorch.sh .make/wheels.txt $(if $(STALE),FORCE)
	@CC='$(CC)' CXX='$(CXX)' LIBTORCH='$(LIBTORCH)' .make/configure.sh $@ '$(GOALS)'

$(B)/lib/libagad.so: $(OBJECTS) csrc/score/agad.map
	@mkdir -p $(@D)
	@echo "  LINK $@"
	$Q$(LINK_AGAD) -o $@ -Wl,-rpath,$(TORCH)/lib

$(B)/lib/agad/core.so: $(OBJECTS) $(BINDING_OBJECTS) csrc/lua/core.map
	@mkdir -p $(@D)
	@echo "  LINK $@"
	$Q$(LINK_CORE) -o $@ -Wl,-rpath,'$$ORIGIN/..:$(TORCH)/lib'

$(B)/agad: .make/agad.in $(B)/flags
	@.make/launcher.sh $@ "$(LUA)" $$(realpath -m --relative-to=$(B) lua) lib

$(B)/obj/%.c.o: csrc/%.c $(B)/flags
	@mkdir -p $(@D)
	@echo "  CC   $<"
	$Q$(CC) $(CFLAGS_) -c -o $@ $<

$(B)/obj/%.cpp.o: csrc/%.cpp $(B)/flags
	@mkdir -p $(@D)
	@echo "  CXX  $<"
	$Q$(CXX) $(CXXFLAGS_) -c -o $@ $<

# private: else $(B)/flags, which they need, would be written with them.
$(B)/obj/cpu/%.o $(B)/obj/data/defects%.o: private OPTIMISE += -O3
$(B)/obj/data/resample.c.o $(B)/obj/score/shortcut.c.o $(B)/obj/score/leak.c.o: private OPTIMISE += -O3
$(B)/obj/lua/%.o: private DEPS_CFLAGS += $(LUA_CFLAGS)

# Rewritten only when it differs, so that changed flags rebuild and unchanged ones do not.
$(B)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(CFLAGS_) $(CXX) $(CXXFLAGS_) $(LUA) $(LUA_CFLAGS)' | cmp -s - $@ || \
	 echo '$(CC) $(CFLAGS_) $(CXX) $(CXXFLAGS_) $(LUA) $(LUA_CFLAGS)' > $@

-include $(wildcard $(patsubst %.o,%.d,$(OBJECTS) $(BINDING_OBJECTS) $(CUDA_OBJECTS)))

# ---- CUDA: registered with libtorch when agad_cuda.so is loaded; builds without a GPU ----

cuda: $(B)/lib/agad_cuda.so
	@echo "$< is ready ($(words $(CUDA_ARCHS)) architectures: $(CUDA_ARCHS), and PTX)"

# What libtorch_cuda itself needs (cuDNN, cuBLAS, ...) is found where a GPU is; linking does without.
LINK_CUDA = $(CXX) -shared -Wl,--disable-new-dtags -Wl,--version-script=csrc/cuda/agad_cuda.map $(CUDA_OBJECTS) \
	-L$(TORCH)/lib -Wl,--no-as-needed -ltorch_cuda -lc10_cuda -Wl,--as-needed -ltorch_cpu -lc10 \
	-L$(CUDA_HOME)/lib64 -lcudart -Wl,--allow-shlib-undefined

$(B)/lib/agad_cuda.so: $(CUDA_OBJECTS) csrc/cuda/agad_cuda.map
	@mkdir -p $(@D)
	@echo "  LINK $@"
	$Q$(LINK_CUDA) -o $@ -Wl,-rpath,$(TORCH)/lib

$(CUDA_OBJECTS): $(TORCH)/lib/libtorch_cuda.so

$(TORCH)/lib/libtorch_cuda.so:
	@LIBTORCH='$(CONFIGURED_LIBTORCH)' .make/libtorch.sh --cuda > /dev/null

$(B)/obj/%.cu.o: csrc/%.cu $(B)/flags
	@test -n "$(NVCC)" || { echo "cuda: no nvcc on the PATH or in /usr/local/cuda/bin" >&2; exit 1; }
	@mkdir -p $(@D)
	@echo "  NVCC $<"
	$Q$(NVCC) $(NVFLAGS_) -MMD -MP -MF $(@:.o=.d) -c -o $@ $<

$(B)/obj/cuda/%.o: private CXXFLAGS += -isystem $(CUDA_HOME)/include

# ---- running ----

demo: all
	@$(B)/agad demo --out build/demo

# SPEC="spec/a_spec.lua ...": only these files.
check: all
	@CC='$(CC)' CXX='$(CXX)' .make/packages.sh test
	@LUA='$(LUA)' AGAD_BUILD=$(B) .make/test.sh --exclude-tags=slow

test: all
	@CC='$(CC)' CXX='$(CXX)' .make/packages.sh test
	@LUA='$(LUA)' AGAD_BUILD=$(B) .make/test.sh

test-deps:
	@.make/packages.sh extras pip
	@.make/python.sh build/python tensorboard==2.21.0

bench: all
	@.make/bench.sh $(B) --all
	@for f in spec/bench/*.lua; do $(B)/agad $$f || exit 1; done

figures: all
	@for f in spec/figures/*.lua; do $(B)/agad $$f || exit 1; done

pictures: all
	@for f in spec/pictures/*.lua; do $(B)/agad $$f || exit 1; done

# NOTEBOOKS="notebooks/1_tensors.ipynb ...": only these.
notebooks: all
	@AGAD=$(B)/agad "$$($(B)/agad -e 'print((require("agad.cli.notebook.jupyter").python()))')" .make/notebooks.py \
	  notebooks $(or $(NOTEBOOKS),$(wildcard notebooks/*.ipynb))

gpu-check: all cuda
	@.make/gpu-check.sh $(B) '$(LUA)'

# A second build under build/asan; the quick specs, or those in SPEC, or the script RUN="FILE.lua ARGUMENT...".
asan:
	@$(MAKE) B=build/asan SANITIZE='-fsanitize=address,undefined -fno-omit-frame-pointer' OPTIMISE='-O1 -g' all
	@CC='$(CC)' LUA='$(LUA)' DEPS='$(DEPS_CFLAGS) $(DEPS_LIBS)' LIBS='$(AGAD_LIBS) -lstdc++ -Wl,-rpath,$(TORCH)/lib' \
	  OBJECTS='$(OBJECTS:$(B)/%=build/asan/%)' BINDING_OBJECTS='$(BINDING_OBJECTS:$(B)/%=build/asan/%)' \
	  RUN='$(RUN)' .make/asan.sh build/asan

# FUZZ=NAME: one harness of spec/fuzz. SECONDS=0: only the inputs that are kept. FUZZ=operators: CALLS= SEED=
fuzz: $(if $(filter operators,$(FUZZ)),all)
	@DEPS_CFLAGS='$(DEPS_CFLAGS)' DEPS_LIBS='$(DEPS_LIBS)' .make/fuzz.sh $(or $(SECONDS),600) $(FUZZ)

lint:
	@.make/lint.sh

format:
	clang-format -i $(wildcard $(foreach e,c h cpp cu,csrc/*/*.$e csrc/*/*/*.$e))

# ---- installing: nothing installed points into the tree or the cache ----

quoted = '$(subst ','\'',$($1))'
install: all
	@$(foreach v,LUA TORCH LUADIR CLUADIR SHLIBDIR BINDIR INCDIR FROM_BIN LINK_AGAD LINK_CORE LINK_CUDA,$v=$(call \
	  quoted,$v)) .make/install.sh $(B) $(call quoted,DESTDIR)

clean:
	rm -rf build

#: make            builds build/agad (finds or fetches what it needs first)
#: make demo       trains on the built-in textures; pictures in build/demo
#: make check      the quick tests, under two minutes
#: make test       all tests; SPEC="spec/x_spec.lua" for some
#: make test-deps  installs what some tests need beyond that
#: make bench      benchmarks, beside PyTorch where AGAD_PEER_PYTHON (python3) has it
#: make figures    the long runs whose results are committed
#: make pictures   the README's pictures: of the demo, of the REPL in a real terminal, and of a
#:                 notebook in a browser (needs JupyterLab and Chromium)
#: make notebooks  executes the notebooks and stores what they show; needs make test-deps
#: make asan       the quick tests under AddressSanitizer; SPEC= as above, or RUN="FILE.lua ARGUMENT"
#: make fuzz       the decoders against hostile files, 10 minutes each; needs clang. SECONDS= FUZZ=
#:                 FUZZ=operators: random calls from Lua instead, without clang. CALLS= SEED=
#: make lint       luacheck, clang-format, the rooms' rules
#: make format     clang-format over csrc, in place
#: make cuda       the CUDA plugin; needs nvcc, no GPU
#: make gpu-check  builds it, runs the tests that need a GPU, and measures its speed
#: make install    PREFIX=/usr/local DESTDIR=
#: make clean      removes build/
#: settings: LIBTORCH=/path  CC= CXX=  JOBS=N  V=1  AGAD_APT=no (never calls apt)
help:
	@sed -n 's/^#: //p' Makefile
