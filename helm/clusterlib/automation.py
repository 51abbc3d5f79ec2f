"""What others decide about a release: an autoscaler how many workers there are, a CronJob when its work begins."""

from clusterlib import leftovers
from clusterlib.api import MERGE, until
from clusterlib.release import NAME, is_ready, prepared

STILL_KNOWN = "still known  1 deleted users\n"
SUBMITTED = "published 2 users in 1 events\n"
EACH_MINUTE = [f"--set={job}.{setting}" for job in ("audit", "backfill") for setting in ("schedule=* * * * *", "timeZone=Etc/UTC")]


def begin(claims, cluster, kubelet):
    """Sunbird Spark, with an audit and a backfill each minute. Runs beside the other scenes: the function that plays its end."""
    release = prepared(cluster, "spark", "spark-yugabytedb", *EACH_MINUTE)
    told = release.install()
    claims.that("helm install --wait ends well with Spark's values", told.returncode == 0, told.stderr)
    kubelet.ends(release.namespace, lambda words: (1, STILL_KNOWN) if "audit" in words else (0, SUBMITTED))

    def end():
        jobs(claims, release, kubelet)
        scaled(claims, release, kubelet)
        told = release.uninstall()
        claims.that("helm uninstall ends well", told.returncode == 0, told.stderr)
        left = release.left()
        claims.that("and leaves the person's Secret alone", not left and ("Secret", NAME) in leftovers.everything(release), left)

    return end


def scaled(claims, release, kubelet):
    """An autoscaler has set a number: an upgrade is not to set it back."""
    scale = f"{release.apps}/deployments/{NAME}/scale"
    release.api.must("PATCH", scale, {"spec": {"replicas": 3}}, form=MERGE)
    release.at_rest()
    claims.that("three workers are ready when an autoscaler wants three", sum(map(is_ready, release.workers())) == 3, release.names())
    kubelet.succeeds(release.namespace)
    told = release.upgrade("--set", "config.log.level=debug")
    claims.that("an upgrade ends well", told.returncode == 0, told.stderr)
    release.at_rest()
    claims.that("and leaves their number alone", len(release.names()) == 3, release.names())


def jobs(claims, release, kubelet):
    """The CronJobs have begun them by themselves by now."""
    audit, = until("an audit", lambda: begun(release, "audit", "Failed")[:1], 90)
    reasons = [entry["reason"] for entry in audit["status"]["conditions"] if entry["type"] == "Failed"]
    claims.that("an audit that finds somebody ends its Job as failed, for exit code 1", reasons == ["PodFailurePolicy"], reasons)
    claims.that("at the first try", audit["status"]["failed"] == 1, audit["status"])
    pod, *_ = release.api.items(f"{release.core}/pods", labelSelector=f"batch.kubernetes.io/job-name={audit['metadata']['name']}")
    log = release.api.call("GET", f"{release.core}/pods/{pod['metadata']['name']}/log")[1]
    claims.that("its log can be read", log == STILL_KNOWN, log)
    claims.that("a backfill ends its Job well", until("a backfill", lambda: begun(release, "backfill", "Complete"), 90))
    words = {tuple(entry.arguments[2:]) for entry in kubelet.history if entry.namespace == release.namespace}
    wanted = {("audit",), ("submit", "delete-user", "--deleted", "--execute", "--yes", "--rate", "100/s")}
    claims.that("both ask the program for what they are there for", wanted <= words, words)


def begun(release, name, condition):
    found = release.api.items(f"/apis/batch/v1/namespaces/{release.namespace}/jobs")
    found = [job for job in found if job["metadata"]["name"].startswith(f"{NAME}-{name}-")]
    return [job for job in found if any(entry["type"] == condition for entry in job["status"].get("conditions", []))]
