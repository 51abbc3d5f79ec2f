// Asks each second and shows what it is told. Rates are those of the last ten answers.

const EVERY = 1000, SAMPLES = 11;
let samples = [], answered = 0;

function totals(told) {
  const stages = Object.fromEntries(told.stages.map((stage) => [stage.name, stage.answered]));
  const events = Object.values(told.totals.events).reduce((sum, events) => sum + events, 0);
  return { at: performance.now(), up: told.uptimeSeconds, events, statuses: told.totals.statuses, users: told.totals.users, stages };
}

/** Of a total; nothing before there are two samples. */
function perSecond(of) {
  const [oldest, newest] = [samples[0], samples[samples.length - 1]];
  if (!oldest || oldest === newest) return undefined;
  return (of(newest) - of(oldest)) * 1000 / (newest.at - oldest.at);
}

function remember(told) {
  const sample = totals(told);
  // Another process answers at this address: its totals begin anew.
  if (samples.length > 0 && samples[samples.length - 1].up > sample.up) samples = [];
  samples = [...samples, sample].slice(-SAMPLES);
}

function breaker({ state, reason, sinceSeconds }) {
  const word = { closed: "closed", open: "open: an outage", held: "held: a person must mend something" }[state];
  const since = state === "closed" ? "" : `, for ${time(sinceSeconds)}`;
  return `${word}${since}${reason ? ` (${reason})` : ""}`;
}

function showStages(told) {
  for (const stage of told.stages) {
    if (stage.name === "clear") continue;
    const { state } = stage.breaker;
    const speed = perSecond((sample) => sample.stages[stage.name]);
    tell(stage.name, [
      state === "closed" ? `${rate(speed)}/s` : state === "open" ? "outage" : "held",
      `${count(stage.ready + stage.delayed)} wait, ${count(stage.inCall)} in call`,
      `${count(stage.block)} a call, ${stage.calls} at once`,
    ], state);
  }
  fill("stages", told.stages.map((stage) => [
    cell(stage.name),
    cell(breaker(stage.breaker), "word", stage.breaker.state),
    ...[count(stage.ready), count(stage.delayed), count(stage.inCall), stage.block === null ? "all" : count(stage.block), count(stage.calls),
      time(stage.callSeconds), rate(perSecond((sample) => sample.stages[stage.name]))].map((text) => cell(text, "n")),
  ]), "not running yet");
}

function showFlow(told) {
  const { fresh, other, limit } = told.budget;
  const lags = told.partitions.map((partition) => partition.lag ?? 0);
  tell("kafka", [`lag ${count(lags.reduce((sum, lag) => sum + lag, 0))}`]);
  const isHeld = told.partitions.some((partition) => partition.isHeld);
  tell("intake", [
    `${rate(perSecond((sample) => sample.events))} events/s`,
    `${count(fresh + other)} units held`, `${count(limit - fresh - other)} left`,
  ], isHeld ? "held" : "closed");
  tell("settle", [
    told.isPublishing ? `${rate(perSecond((sample) => sample.statuses))}/s` : "Kafka is away",
    `${count(told.totals.users)} ended`, `${count(told.totals.statuses)} told`,
  ], told.isPublishing ? "closed" : "open");
}

function showLists(told) {
  fill("partitions", told.partitions.map((partition) => [
    cell(partition.topic), cell(partition.number, "n"), cell(partition.lag === null ? "–" : count(partition.lag), "n"),
    cell(time(partition.frontierAgeSeconds), "n"),
    cell(partition.isHeld ? "held: records that nobody can read" : "", "word", partition.isHeld ? "held" : ""),
  ]), "none is assigned");
  document.getElementById("failures").classList.toggle("named", told.failures.some((failure) => failure.user !== null));
  fill("failures", told.failures.toReversed().map((failure) => [
    cell(new Date(failure.at).toLocaleTimeString("en-GB")), cell(failure.status, "", failure.status),
    cell(failure.what), cell(failure.reason, "word"), cell(failure.user ?? "", "word user"),
  ]), "none since the start");
}

/** The one line that is read from across the room. */
function judged(told) {
  const not = (state) => told.stages.filter((stage) => stage.breaker.state === state).map((stage) => stage.name);
  if (told.ageSeconds === null) return ["starting", "wait"];
  if (told.ageSeconds > 15) return [`the pipeline stands still for ${time(told.ageSeconds)}`, "open"];
  if (not("held").length > 0) return [`held: ${not("held").join(", ")}`, "held"];
  if (not("open").length > 0) return [`outage: ${not("open").join(", ")}`, "open"];
  if (!told.isPublishing) return ["outage: Kafka", "open"];
  return told.isReady ? ["works", "well"] : ["not a member of the group, or stopping", "wait"];
}

function state([text, kind]) {
  const line = document.getElementById("state");
  line.textContent = text;
  line.dataset.state = kind;
  document.title = kind === "well" ? "user-purge-sync" : `${text} – user-purge-sync`;
}

async function ask() {
  try {
    const answer = await fetch("overview.json", { signal: AbortSignal.timeout(5000) });
    if (!answer.ok) throw new Error(answer.status);
    const told = await answer.json();
    remember(told);
    const { env, mode, version, group } = told.about;
    document.getElementById("about").textContent =
      `${env}, purge.mode ${mode}, version ${version}, group ${group}, up ${time(told.uptimeSeconds)}`;
    showStages(told);
    showFlow(told);
    showLists(told);
    plot(told.outcomes);
    bar(told.budget);
    state(judged(told));
    answered = performance.now();
    document.body.classList.remove("stale");
  } catch (error) {
    document.body.classList.add("stale");
    state([answered === 0 ? "no answer" : `no answer for ${time((performance.now() - answered) / 1000)}`, "open"]);
    console.error(error);
  }
  setTimeout(ask, EVERY);
}

ask();
