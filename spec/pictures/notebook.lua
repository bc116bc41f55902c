-- The README's picture of a notebook, examples/notebook.png: real cells in a real JupyterLab, in Chromium.
--     build/agad spec/pictures/notebook.lua

local core = require "agad.core"
local jupyter = require "agad.cli.notebook.jupyter"
local scratch = dofile "spec/support/scratch.lua"
local shell = require("agad.base.text").shell

local browser = io.popen("command -v chromium chromium-browser google-chrome | head -1"):read "l"
if not browser then error("the picture needs Chromium; on Debian: apt-get install chromium fonts-dejavu-core", 0) end
if not (jupyter.program() or ""):find "jupyter%-lab$" then
  error("the picture needs JupyterLab on the PATH: pip install jupyterlab", 0)
end

local out = scratch.path "notebook.png"
local ran = os.execute(("%s -B spec/pictures/notebook.py %s %s %s %s"):format(shell(jupyter.python()),
  shell(os.getenv "AGAD_PROGRAM"), shell(browser), shell(scratch.folder), shell(out)))
local picture = scratch.read(out)
scratch.remove()
if not ran or not picture then error("the notebook gave no picture", 0) end
core.file_replace("examples/notebook.png", picture)
print("examples/notebook.png", #picture)
