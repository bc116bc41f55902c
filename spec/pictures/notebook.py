"""Opens a notebook with `agad notebook` in JupyterLab, runs its cells in Chromium, and saves a picture of it.

    python3 notebook.py AGAD BROWSER FOLDER PICTURE
"""
import base64
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request

import websocket
from nbformat import v4, write

WIDTH, HEIGHT, MARGIN = 900, 1400, 8                     # pixels
PATIENCE = 600
CELLS = [
    "set = data.weave {train_normals = 600}\n"
    "t = task.one_vs_rest(set, {normal = \"cloth\", gamma = .05})\n"
    "run = trainer(t, {steps = 300, batch = 32, seed = 1})\n"
    "run:fit();",
    "row = run:evaluate(nil, {curves = true})\n"
    "plot.scores(row, nil, {width = 640, height = 300})",
    "run:save \"cloth.safetensors\"\n"
    "detector = model.open \"cloth.safetensors\"\n"
    "plot.reconstructions(detector, t, nil, {count = 6, titles = {\"AGAD\"}})",
]
# The notebook's panel, once its kernel is there.
PANEL = "[...jupyterapp.shell.widgets('main')].find(w => w.sessionContext)"
READY = PANEL + "?.sessionContext.session?.kernel?.status == 'idle'"
PROMPTS = "[...document.querySelectorAll('.jp-Notebook .jp-InputPrompt')].map(p => p.textContent).join()"
DONE = ",".join("[%d]:" % i for i in range(1, len(CELLS) + 1))
PLAIN = "document.head.insertAdjacentHTML('beforeend', " \
        "'<style>.jp-Collapser, .jp-cell-toolbar, .jp-Notebook-footer { visibility: hidden }" \
        " .jp-WindowedPanel-outer { scrollbar-width: none }</style>')"
EDGES = "(r => [r.left, r.top, r.width])(" + PANEL + ".node.getBoundingClientRect()).concat(" \
        "Math.ceil([...document.querySelectorAll('.jp-Notebook .jp-Cell')].pop().getBoundingClientRect().bottom))"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def until(what, f):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            value = f()
            if value:
                return value
        except OSError:
            pass
        time.sleep(0.2)
    raise SystemExit("notebook.py: %s: waited for in vain" % what)


class Page:
    def __init__(self, port):
        targets = until("the browser", lambda: json.load(urllib.request.urlopen("http://127.0.0.1:%d/json" % port)))
        url = next(t["webSocketDebuggerUrl"] for t in targets if t["type"] == "page")
        self.socket, self.last = websocket.create_connection(url), 0

    def call(self, method, **parameters):
        self.last += 1
        self.socket.send(json.dumps({"id": self.last, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self.socket.recv())
            if answer.get("id") == self.last:
                return answer["result"]

    def value(self, code):
        return self.call("Runtime.evaluate", expression=code, returnByValue=True)["result"].get("value")


def photograph(page, address):
    page.call("Emulation.setDeviceMetricsOverride", width=WIDTH, height=HEIGHT, deviceScaleFactor=1, mobile=False)
    page.call("Page.navigate", url=address)
    until("the kernel", lambda: page.value(READY))
    page.value("void jupyterapp.commands.execute('notebook:run-all-cells')")
    until("the outputs", lambda: page.value(PROMPTS) == DONE)
    page.value(PLAIN)
    time.sleep(1)                                        # the last picture is drawn
    left, top, width, bottom = page.value(EDGES)
    clip = {"x": left, "y": top, "width": width, "height": bottom + MARGIN - top, "scale": 1}
    return base64.b64decode(page.call("Page.captureScreenshot", clip=clip)["data"])


def main(program, browser, folder, picture):
    notebook = v4.new_notebook(cells=[v4.new_code_cell(code) for code in CELLS])
    notebook.metadata.kernelspec = {"name": "agad", "display_name": "Lua (agad)", "language": "lua"}
    write(notebook, os.path.join(folder, "cloth.ipynb"))
    port, debugging = free_port(), free_port()
    environment = {**os.environ, "HOME": folder, "JUPYTER_CONFIG_DIR": folder + "/config"}
    started = []
    try:
        started.append(subprocess.Popen(
            [program, "notebook", "cloth.ipynb", "--", "--allow-root", "--no-browser", "--ip=127.0.0.1",
             "--port=%d" % port, "--ServerApp.port_retries=0", "--IdentityProvider.token=",
             "--LabApp.expose_app_in_browser=True", "--LabApp.news_url=None"],
            cwd=folder, env=environment, stderr=subprocess.DEVNULL))
        started.append(subprocess.Popen(
            [browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
             "--remote-debugging-port=%d" % debugging, "--remote-allow-origins=*",
             "--user-data-dir=" + folder + "/browser", "about:blank"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        address = "http://127.0.0.1:%d" % port
        until("JupyterLab", lambda: urllib.request.urlopen(address + "/api").status == 200)
        data = photograph(Page(debugging), address + "/doc/tree/cloth.ipynb")
        with open(picture, "wb") as f:
            f.write(data)
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait()


main(*sys.argv[1:])
