"""What is not let in: by the check that comes first, by the values' schema, for an outage."""

import threading

from clusterlib import leftovers
from clusterlib.release import CHART, NAME, prepared

# Nothing listens there, on any machine.
NOWHERE = [
    "--set", "config.kafka.brokers=127.0.0.1:9", "--set", "config.cassandra.hosts={127.0.0.1:9}",
    "--set", "config.sync.endpoint=http://127.0.0.1:9/v1/data/sync", "--set", "config.keycloak.host=127.0.0.1",
    "--set", "config.keycloak.port=9",
]


def refused_install(claims, cluster, kubelet):
    """A check that a person must mend ends the release; mended, the same command goes through."""
    release = prepared(cluster, "refused", "minimal")
    kubelet.runs_the_program(release.namespace)
    told = release.install("--set", "config.kafka.session_timeout=3s")
    said = told.stdout + told.stderr
    claims.that("an install whose configuration the program refuses fails", told.returncode != 0, said)
    claims.that("with the key to change in what helm prints", "kafka.session_timeout" in said, said)
    print("".join(f"{'':11}| {line}\n" for line in said.splitlines()), end="")
    codes = [entry.code for entry in kubelet.history if entry.namespace == release.namespace]
    claims.that("it was asked once, since asking again changes nothing", codes == [64], codes)
    found = {kind for kind, _ in leftovers.everything(release)}
    claims.that("nothing of the release is there", not found & {"Deployment", "Service", "ServiceAccount", "PodDisruptionBudget"}, found)
    kubelet.succeeds(release.namespace)
    told = release.helm("upgrade", "--install", NAME, CHART, "--values", release.values, "--wait")
    claims.that("once mended, it is installed over the failed one", told.returncode == 0, told.stderr)
    told = release.uninstall()
    claims.that("and uninstalled", told.returncode == 0, told.stderr)


def outage(claims, cluster, kubelet):
    """Runs beside the other scenes, since it takes its time: the function that waits for its end."""
    release = prepared(cluster, "away", "minimal")
    kubelet.runs_the_program(release.namespace)
    told = []
    thread = threading.Thread(target=lambda: told.append(release.install(*NOWHERE)), daemon=True)
    thread.start()

    def end():
        thread.join()
        said = told[0].stdout + told[0].stderr
        codes = [entry.code for entry in kubelet.history if entry.namespace == release.namespace]
        claims.that("an install while everything is away is asked four times", codes == [69] * 4, codes)
        begun = [entry.began for entry in kubelet.history if entry.namespace == release.namespace]
        ended = [entry.ended for entry in kubelet.history if entry.namespace == release.namespace]
        pauses = [round((next_one - end).total_seconds()) for end, next_one in zip(ended, begun[1:])]
        claims.that("after pauses of about 10, 20 and 40 s", all(a <= b <= a + 5 for a, b in zip((10, 20, 40), pauses)), pauses)
        claims.that("then it fails", told[0].returncode != 0, said)
        claims.that("and says what is away", "kafka.brokers" in said and "127.0.0.1:9" in said, said)
        told_off = release.uninstall()
        claims.that("what is left of it can be uninstalled", told_off.returncode == 0, told_off.stderr)
        left = release.left(10)
        claims.that("but for the failed check with its log, which goes after a day", {kind for kind, _ in left} == {"Job", "Pod"}, left)

    return end
