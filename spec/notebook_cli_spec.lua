-- The command agad notebook: where the kernel is installed, what is started, one-line errors. Programs of Jupyter are
-- small scripts here; kernel_spec.lua has the kernel under the real one.

local cli = dofile "spec/support/cli.lua"
local core = require "agad.core"
local lfs = require "lfs"
local luv = require "luv"
local dir, agad, refuses = cli.dir, cli.agad, cli.refuses

-- A program in a folder of its own.
local function program(name, text)
  lfs.mkdir(dir .. "/programs")
  local path = cli.write(dir .. "/programs/" .. name, "#!/bin/sh\n" .. text)
  os.execute("chmod +x " .. path)
  return path
end

-- A Python that says this of its ipykernel.
local function python(says) return program("python3", ("printf '%%s' '%s'"):format(says)) end

-- Only what agad itself needs is on the PATH, and what is in the folder of programs.
local function bare()
  lfs.mkdir(dir .. "/bin")
  os.execute(("for p in sh readlink rm lua5.4; do ln -sf $(command -v $p) %s/bin/; done"):format(dir))
  return ("env -u AGAD_PYTHON PATH=%s/programs:%s/bin"):format(dir, dir)
end

local function spec_at(path)
  return core.json_decode(assert(cli.read(("%s/%s/kernels/agad/kernel.json"):format(dir, path))))
end

after_each(function() os.execute(("rm -rf '%s/programs' '%s/home'"):format(dir, dir)) end)

teardown(cli.remove)

describe("agad notebook", function()
  it("refuses wrong usage with status 2", function()
    refuses(2, "notebook --nonsense", "unknown option '--nonsense' (see agad notebook --help)")
    refuses(2, "notebook install --user --prefix x", "give one of --user, --prefix and --sys-prefix")
    refuses(2, "notebook --sys-prefix", "--user, --prefix and --sys-prefix belong to install")
    refuses(2, "notebook install there", "install takes no further arguments")
  end)

  it("says what to install where Jupyter or ipykernel is absent or too old", function()
    refuses(1, "notebook nowhere.ipynb", "nowhere.ipynb: no such file or folder")
    local status, _, err = agad("notebook", bare())
    assert.same({1, "agad: neither jupyter-lab nor jupyter-notebook is on the PATH; install one of them: pip install "
      .. "jupyterlab, or on Debian apt-get install jupyter-notebook python3-ipykernel\n"}, {status, err})
    local old = python "5.4.3 /usr"
    status, _, err = agad("notebook install", "AGAD_PYTHON=" .. old)
    assert.same({1, ("agad: no Python with ipykernel 6 or later: %s (ipykernel 5.4.3); install it: pip install "
      .. "ipykernel, or on Debian apt-get install python3-ipykernel (AGAD_PYTHON names another Python)\n"):format(old)},
      {status, err})
    status, _, err = agad("notebook install", "AGAD_PYTHON=/bin/false")
    assert.equal(1, status)
    assert.matches("^agad: no Python with ipykernel 6 or later: /bin/false %(no ipykernel%); install it", err)
    status, _, err = agad("notebook install", "AGAD_PYTHON=/no/python")
    assert.equal(1, status)
    assert.matches("^agad: no Python with ipykernel 6 or later: /no/python %(no ipykernel%); install it", err)
  end)

  it("installs the kernel for the user, in a folder with a space, or where Python is", function()
    local path = python(("6.0.1 %s/of python"):format(dir))
    local before = ("env -u JUPYTER_DATA_DIR -u XDG_DATA_HOME HOME=%s/home AGAD_PYTHON=%s"):format(dir, path)
    local status, out, err = agad("notebook install", before)
    assert.same({0, ""}, {status, err})
    assert.equal(("  installed the kernel Lua (agad): %s/home/.local/share/jupyter/kernels/agad/kernel.json\n")
      :format(dir), out)
    local spec = spec_at "home/.local/share/jupyter"
    assert.same({"Lua (agad)", "lua", "{connection_file}", path},
      {spec.display_name, spec.language, spec.argv[#spec.argv], spec.argv[1]})
    for _, file in ipairs {spec.argv[4], spec.argv[5]} do
      assert.matches("^/", file)
      assert.equal("file", lfs.attributes(file, "mode"))
    end
    for arguments, at in pairs {["--user"] = "home/.local/share/jupyter", ["--prefix 'a b'"] = "a b/share/jupyter",
                                ["--sys-prefix"] = "of python/share/jupyter"} do
      status, out = agad("notebook install --json " .. arguments, before)
      assert.equal(0, status)
      assert.matches("kernels/agad/kernel.json$", core.json_decode(out).path)
      assert.same(spec, spec_at(at))
    end
    assert.equal(0, (agad("notebook install", "env JUPYTER_DATA_DIR=" .. dir .. "/data AGAD_PYTHON=" .. path)))
    assert.same(spec, spec_at "data")
    refuses(1, "notebook install --prefix out", "cannot create the folder")
  end)

  it("starts Jupyter with the kernel, hands arguments on, and leaves nothing", function()
    python "7.0.0 /usr"
    program("jupyter-lab", [[
      echo "$@"; echo "${JUPYTER_PATH#*:}"
      own="${JUPYTER_PATH%%:*}"
      read -r first < "$own/kernels/agad/kernel.json"; echo "$first"; echo "$own" > path]])
    local status, out = agad("notebook . -- --no-browser --port 1", bare() .. " JUPYTER_PATH=/earlier TMPDIR=" .. dir)
    assert.same({0, ". --no-browser --port 1\n/earlier\n{\n"}, {status, out})
    assert.is_nil(lfs.attributes(cli.read(dir .. "/path"):match "[^\n]+"))
    program("jupyter-lab", "exit 7")
    assert.same({1, "", "agad: Jupyter ended with status 7\n"}, {agad("notebook", bare())})
  end)

  it("hands SIGTERM on to Jupyter and waits for its end", function()
    python "7.0.0 /usr"
    program("jupyter-lab", "trap 'echo ended; exit 0' TERM; echo started; while :; do sleep .1; done")
    local path = os.getenv "PATH"
    luv.os_setenv("PATH", dir .. "/programs:" .. path)
    local status, out, err = cli.interrupted("notebook", "out", "TERM")
    luv.os_setenv("PATH", path)
    assert.same({0, "started\nended\n", ""}, {status, out, err})
  end)
end)
