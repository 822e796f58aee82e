"""A real Slurm on loopback: munged, slurmctld and slurmd of this machine's packages, in a folder of their own."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

_PLACES = os.pathsep.join((os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin"))
_PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel")
_CONFIGURATION = """\
ClusterName=loopback
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
KillWait=2
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} RealMemory=1000 State=UNKNOWN
PartitionName=debug Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def missing() -> str:
    """Why Slurm cannot be started here; "" if it can."""
    absent = [name for name in _PROGRAMS if shutil.which(name, path=_PLACES) is None]
    if absent:
        return f"no Slurm on this machine ({', '.join(absent)}): apt-get install slurmctld slurmd slurm-client munge"
    return "" if os.geteuid() == 0 else "Slurm on loopback needs root: its daemon starts jobs for others"


def _free() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _until(ready: list[str], seconds: float) -> str:
    end = time.monotonic() + seconds
    while True:
        seen = subprocess.run(ready, capture_output=True, text=True, timeout=30)
        if seen.returncode == 0 and "idle" in seen.stdout:
            return ""
        if time.monotonic() > end:
            return seen.stdout + seen.stderr
        time.sleep(0.2)


@contextlib.contextmanager
def slurm(folder: Path) -> Iterator[None]:
    """Its commands on PATH and SLURM_CONF in the environment while the context lasts. ``folder`` is made."""
    if why := missing():
        pytest.skip(why)
    folder.mkdir()
    (folder / "state").mkdir()
    (folder / "spool").mkdir()
    key = folder / "munge.key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    host = socket.gethostname().partition(".")[0]
    text = _CONFIGURATION.format(host=host, folder=folder, ports=[_free(), _free()], cores=os.cpu_count())
    (folder / "slurm.conf").write_text(text, encoding="utf-8")
    daemons = [
        ["munged", "--foreground", "--force", f"--key-file={key}", f"--socket={folder}/munge.socket",
         f"--pid-file={folder}/munged.pid", f"--log-file={folder}/munged.log", f"--seed-file={folder}/munge.seed"],
        ["slurmctld", "-D", "-c"],
        ["slurmd", "-D"],
    ]  # fmt: skip
    started: list[subprocess.Popen[bytes]] = []
    with pytest.MonkeyPatch.context() as patch, (folder / "daemons.log").open("wb") as log:
        patch.setenv("PATH", _PLACES)
        patch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
        try:
            for words in daemons:
                started.append(subprocess.Popen(words, stdout=log, stderr=log, start_new_session=True))
                time.sleep(0.5)
            if words_of := _until(["sinfo", "-h", "-o", "%T"], 30):
                said = (folder / "daemons.log").read_text(encoding="utf-8", errors="replace")
                pytest.skip(f"Slurm does not start here: {words_of} {said[-500:]}")
            yield
        finally:
            _empty()
            for daemon in reversed(started):
                with contextlib.suppress(psutil.Error, subprocess.SubprocessError):
                    _end(daemon)


def _empty() -> None:
    """No job is left: a job's shepherd belongs to init and would outlive slurmd."""
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        subprocess.run(["scancel", f"--user={os.getuid()}"], capture_output=True, timeout=10)
        settle()


def settle() -> None:
    """Waits until no job is queued or running: one has answered before it has ended."""
    for _ in range(150):
        if not subprocess.run(["squeue", "-h"], capture_output=True, timeout=10).stdout.strip():
            return
        time.sleep(0.2)


def _end(daemon: subprocess.Popen[bytes]) -> None:
    family = [psutil.Process(daemon.pid), *psutil.Process(daemon.pid).children(recursive=True)]
    daemon.terminate()
    _, alive = psutil.wait_procs(family, timeout=5)
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    daemon.wait()
