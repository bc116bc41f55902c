"""Drives our Jupyter kernel through jupyter_client, as a frontend does: a request of JSON a line, an answer likewise.

    python3 kernel.py        JUPYTER_PATH names the folder in which the kernel is installed
"""
import json
import os
import sys

from jupyter_client.manager import KernelManager

PATIENCE = 60
manager = client = None


def start(_):
    global manager, client
    manager = KernelManager(kernel_name="agad")
    manager.start_kernel()
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=PATIENCE)
    return {"pid": manager.provisioner.process.pid, "connection": manager.connection_file}


def restart(request):
    manager.restart_kernel(now=request.get("now", False))
    client.wait_for_ready(timeout=PATIENCE)
    return {"pid": manager.provisioner.process.pid}


def pid(_):
    return {"pid": manager.provisioner.process.pid}


def interrupt(_):
    manager.interrupt_kernel()
    return {}


def shutdown(_):
    client.stop_channels()
    manager.shutdown_kernel()
    return {"files": os.path.exists(manager.connection_file)}


def add(outputs, displays, kind, content):
    if kind == "stream":
        if outputs and outputs[-1].get("name") == content["name"]:
            outputs[-1]["text"] += content["text"]
        else:
            outputs.append({"kind": kind, "name": content["name"], "text": content["text"]})
    elif kind == "update_display_data":
        found = displays[content["transient"]["display_id"]]
        found["data"] = content["data"]
        found["updates"] += 1
    elif kind in ("display_data", "execute_result"):
        outputs.append({"kind": kind, "data": content["data"], "updates": 0})
        if "count" in content:
            outputs[-1]["count"] = content["execution_count"]
        if content.get("transient"):
            displays[content["transient"]["display_id"]] = outputs[-1]
    elif kind == "error":
        outputs.append({"kind": kind, "lines": content["traceback"], "name": content["ename"]})


def reply_to(message):
    while True:
        reply = client.get_shell_msg(timeout=PATIENCE)
        if reply["parent_header"].get("msg_id") == message:
            return reply["content"]


def run(request):
    """Runs a cell. Each time that a message has the text `wait`, the next one of `then` happens."""
    message = client.execute(request["code"], stop_on_error=False)
    outputs, displays, todo = [], {}, request.get("then", [])
    while True:
        got = client.get_iopub_msg(timeout=PATIENCE)
        if got["parent_header"].get("msg_id") != message:
            continue
        kind, content = got["header"]["msg_type"], got["content"]
        if kind == "status" and content["execution_state"] == "idle":
            break
        add(outputs, displays, kind, content)
        if todo and request["wait"] in (kind if kind == "execute_input" else json.dumps(content)):
            step, todo = todo[0], todo[1:]
            if step == "interrupt":
                manager.interrupt_kernel()
            elif step == "restart":
                return restart({})
            elif step == "stop waiting":
                return {"outputs": outputs}
    content = reply_to(message)
    return {"outputs": outputs, "status": content["status"], "count": content.get("execution_count"),
            "name": content.get("ename"), "message": content.get("evalue")}


def complete(request):
    return client.complete(request["code"], request["cursor"], reply=True, timeout=PATIENCE)["content"]


def inspect(request):
    return client.inspect(request["code"], request["cursor"], reply=True, timeout=PATIENCE)["content"]


def is_complete(request):
    return reply_to(client.is_complete(request["code"]))


def info(_):
    return client.kernel_info(reply=True, timeout=PATIENCE)["content"]


def joined(outputs):
    """As newer versions of nbclient do: text that came in parts is one output."""
    kept = []
    for output in outputs:
        if kept and output.output_type == kept[-1].output_type == "stream" and output.name == kept[-1].name:
            kept[-1].text += output.text
        else:
            kept.append(output)
    return kept


def execute(request):
    """Executes a whole notebook with nbclient; its outputs, cell by cell."""
    import nbformat
    from nbclient import NotebookClient
    from nbformat import v4
    notebook = v4.new_notebook(cells=[v4.new_code_cell(code) for code in request["cells"]])
    notebook.metadata.kernelspec = {"name": "agad", "display_name": "Lua (agad)", "language": "lua"}
    NotebookClient(notebook, timeout=PATIENCE, kernel_name="agad", record_timing=False, allow_errors=True).execute()
    nbformat.validate(notebook)
    return {"cells": [joined(cell.outputs) for cell in notebook.cells], "language": notebook.metadata.language_info}


for line in sys.stdin:
    asked = json.loads(line)
    try:
        answer = globals()[asked["do"]](asked)
    except Exception as e:                               # what went wrong is the spec's to show
        answer = {"failed": "%s: %s" % (type(e).__name__, e)}
    print(json.dumps(answer), flush=True)

if manager and manager.is_alive():
    manager.shutdown_kernel(now=True)
sys.stdout.flush()
os._exit(0)                                              # the library's own end writes tracebacks
