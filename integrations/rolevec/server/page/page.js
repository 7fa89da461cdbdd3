import * as example from "./example.js";
import { SNIPPETS, body } from "./snippets.js";

const MOST = 96; // texts in one request, as in Cohere's interface
const ROLES = {
  search_query: "query",
  search_document: "document",
  classification: "classification",
  clustering: "clustering",
};

const $ = (id) => document.getElementById(id);
const base = new URL(".", document.baseURI).href.replace(/\/$/, "");
let running = new AbortController();
let listed = false;
let snippet = "curl";

// --- what is asked ------------------------------------------------------------------------------

const lines = (id) =>
  $(id)
    .value.split(/\r\n|\r|\n/)
    .map((line) => line.trim())
    .filter(Boolean);

function request() {
  return {
    base,
    keyed: $("key").value !== "",
    model: $("model").value,
    truncate: $("truncate").value,
    rows: { texts: lines("row-texts"), role: $("row-role").value },
    columns: { texts: lines("column-texts"), role: $("column-role").value },
  };
}

/** Calls the server; a failure of any kind is an Error whose message can be shown. */
async function call(path, signal, content) {
  const headers = {};
  const key = $("key").value.trim();
  if (key) {
    if (!/^[\x21-\x7e]+$/.test(key)) {
      throw new Error("The API key has characters that no key can have.");
    }
    headers.Authorization = `Bearer ${key}`;
  }
  const options = { headers, signal, credentials: "omit", cache: "no-store" };
  if (content) {
    headers["Content-Type"] = "application/json";
    Object.assign(options, { method: "POST", body: JSON.stringify(content) });
  }
  let response;
  try {
    response = await fetch(`${base}${path}`, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The server cannot be reached.");
  }
  const text = await response.text();
  const answer = parsed(text);
  if (response.ok && answer) return answer;
  throw Object.assign(new Error(reason(response, answer, text)), { status: response.status });
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function reason(response, answer, text) {
  const said = answer?.message ?? (text.trim().slice(0, 300) || "no reason given");
  const wait = response.headers.get("Retry-After");
  const after = wait ? `\nTry again in ${wait} seconds.` : "";
  if (response.status === 401) return `The server asks for an API key: ${said}`;
  return `The server answered ${response.status}: ${said}${after}`;
}

async function embed(asked, side, signal) {
  const answer = await call("/v2/embed", signal, body(asked, side));
  const vectors = answer.embeddings?.float;
  if (!Array.isArray(vectors) || vectors.length !== side.texts.length) {
    throw new Error("The answer of the server does not hold one vector for each text.");
  }
  return vectors;
}

async function listModels(signal) {
  if (listed) return;
  const answer = await call("/v1/models?page_size=1000&endpoint=embed", signal);
  const names = (answer.models ?? []).map((model) => model.name);
  if (names.length) {
    const chosen = $("model").value;
    $("model").replaceChildren(...names.map((name) => new Option(name, name)));
    if (names.includes(chosen)) $("model").value = chosen;
  }
  listed = true;
}

// --- what is shown ------------------------------------------------------------------------------

function show(id, text) {
  $(id).textContent = text;
  $(id).hidden = text === "";
}

function element(tag, text, attributes = {}) {
  const made = document.createElement(tag);
  made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

function heading(text, scope) {
  const cell = element("th", "", { scope });
  cell.append(element("span", text, { class: "text", dir: "auto", title: text }));
  return cell;
}

function draw(asked, matrix) {
  const values = matrix.flat();
  const lowest = values.reduce((a, b) => Math.min(a, b));
  const highest = values.reduce((a, b) => Math.max(a, b));
  const head = document.createElement("tr");
  const [rowRole, columnRole] = [ROLES[asked.rows.role], ROLES[asked.columns.role]];
  head.append(element("td", `${rowRole} ↓  ${columnRole} →`));
  head.append(...asked.columns.texts.map((text) => heading(text, "col")));
  const rows = matrix.map((row, place) => {
    const line = document.createElement("tr");
    const best = Math.max(...row);
    line.append(heading(asked.rows.texts[place], "row"));
    line.append(...row.map((value) => cell(value, value === best, lowest, highest)));
    return line;
  });
  const [top, rest] = [document.createElement("thead"), document.createElement("tbody")];
  top.append(head);
  rest.append(...rows);
  $("matrix").replaceChildren(top, rest);
  $("lowest").textContent = rounded(lowest);
  $("highest").textContent = rounded(highest);
  $("result").hidden = false;
}

/** Two digits, and no minus before zero. */
function rounded(value) {
  return value.toFixed(2).replace(/^-(0\.00)$/, "$1");
}

function cell(value, best, lowest, highest) {
  const made = document.createElement("td");
  const inner = element("span", rounded(value));
  const heat = highest > lowest ? (value - lowest) / (highest - lowest) : 1;
  made.style.setProperty("--heat", heat.toFixed(4));
  made.title = value.toFixed(6);
  if (best) {
    made.className = "best";
    inner.append(element("span", ", highest of its row", { class: "spoken" }));
  }
  made.append(inner);
  return made;
}

/** What follows from the fields alone: counts and code. */
function refresh() {
  const asked = request();
  for (const [id, side] of [["row", asked.rows], ["column", asked.columns]]) {
    const count = side.texts.length;
    const over = count > MOST ? `; at most ${MOST} can be compared` : "";
    $(`${id}-count`).textContent = `${count} ${count === 1 ? "text" : "texts"}${over}`;
    $(`${id}-count`).classList.toggle("over", count > MOST);
  }
  for (const tab of document.querySelectorAll("[role=tab]")) {
    const selected = tab.id === `tab-${snippet}`;
    tab.setAttribute("aria-selected", selected);
    tab.tabIndex = selected ? 0 : -1;
    if (selected) $("code").setAttribute("aria-labelledby", tab.id);
  }
  $("snippet").textContent = SNIPPETS[snippet].write(asked);
  show("install", SNIPPETS[snippet].needs);
}

// --- what happens -------------------------------------------------------------------------------

async function compare() {
  running.abort();
  running = new AbortController();
  const { signal } = running;
  show("error", "");
  show("status", "Comparing…");
  try {
    await listModels(signal);
    refresh();
    const asked = request();
    for (const side of [asked.rows, asked.columns]) {
      if (!side.texts.length) throw new Error("Each side needs at least one text.");
      if (side.texts.length > MOST) throw new Error(`A side has more than ${MOST} texts.`);
    }
    const sides = [asked.rows, asked.columns].map((side) => embed(asked, side, signal));
    const [rows, columns] = await Promise.all(sides);
    const dot = (a, b) => a.reduce((sum, value, place) => sum + value * b[place], 0);
    draw(asked, rows.map((row) => columns.map((column) => dot(row, column))));
    $("result").classList.remove("stale");
    show("status", `${rows.length} × ${columns.length} texts, ${rows[0].length} dimensions.`);
  } catch (error) {
    if (signal.aborted && error.name === "AbortError") return;
    running.abort(); // the other side's request
    show("status", "");
    show("error", error.message);
    if (error.status === 401) $("key").focus();
  }
}

function changed() {
  refresh();
  if ($("result").hidden) return;
  $("result").classList.add("stale");
  show("status", "The matrix is older than what is written above; press Compare.");
}

function fillExample() {
  $("row-texts").value = example.rows.join("\n");
  $("column-texts").value = example.columns.join("\n");
}

async function copy() {
  const range = document.createRange();
  range.selectNodeContents($("snippet"));
  getSelection().removeAllRanges();
  getSelection().addRange(range);
  let done = false;
  try {
    await navigator.clipboard.writeText($("snippet").textContent);
    done = true;
  } catch {
    done = document.execCommand("copy"); // pages without TLS have no other way
  }
  $("copy").textContent = done ? "Copied" : "Selected";
  setTimeout(() => ($("copy").textContent = "Copy"), 2000);
}

function turn(event) {
  const names = Object.keys(SNIPPETS);
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  snippet = names[(names.indexOf(snippet) + step + names.length) % names.length];
  refresh();
  $(`tab-${snippet}`).focus();
  event.preventDefault();
}

for (const [id, role] of [["row-role", "search_query"], ["column-role", "search_document"]]) {
  $(id).append(...Object.entries(ROLES).map(([name, word]) => new Option(word, name)));
  $(id).value = role;
}
$("form").addEventListener("submit", (event) => {
  event.preventDefault();
  compare();
});
$("form").addEventListener("input", changed);
$("form").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) compare();
});
$("example").addEventListener("click", () => {
  fillExample();
  compare();
});
$("copy").addEventListener("click", copy);
for (const name of Object.keys(SNIPPETS)) {
  $(`tab-${name}`).addEventListener("click", () => {
    snippet = name;
    refresh();
  });
  $(`tab-${name}`).addEventListener("keydown", turn);
}
fillExample();
refresh();
compare();
