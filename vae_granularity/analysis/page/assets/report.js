"use strict";
const report = JSON.parse(document.getElementById("report-data").textContent);
const byId = (id) => document.getElementById(id);
const narrow = window.matchMedia("(max-width: 760px)");
const config = { responsive: true, displaylogo: false, displayModeBar: false };

// Plotly takes text for markup, and words of a run are not: "\n" alone breaks a line.
function plain(value) {
  if (typeof value === "string") return value.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll("\n", "<br>");
  if (Array.isArray(value)) return value.map(plain);
  if (value && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, plain(part)]));
  return value;
}

// The width in px of a text as a chart draws it, in whatever font the machine has.
const pen = document.createElement("canvas").getContext("2d");
function widthOf(text, font) {
  pen.font = `${font.size}px ${font.family}`;
  return pen.measureText(text).width;
}

// A text that is wider than its room goes on in the next line, between words where that is enough.
function folded(text, room, font) {
  if (typeof text !== "string") return text;
  const fits = (line) => widthOf(line, font) <= room;
  return text.split("\n").flatMap((paragraph) => {
    if (fits(paragraph)) return [paragraph];
    const lines = [];
    let line = "";
    for (const word of paragraph.split(/(?<=\s)/)) {
      if (fits(line + word)) { line += word; continue; }
      if (line) lines.push(line);
      line = "";
      for (const letter of word) {
        if (line && !fits(line + letter)) { lines.push(line); line = ""; }
        line += letter;
      }
    }
    return [...lines, line];
  }).join("\n");
}
function foldedAll(texts, room, font) {
  return Array.isArray(texts) ? texts.map((text) => foldedAll(text, room, font)) : folded(texts, room, font);
}

// The title stands above the chart as text of the page: Plotly does not break lines, and cuts what is wider than the chart.
// Ticks and lines of the legend get a third of its width, what hovers two fifths (it stands on one side of its mark), titles of axes nearly all.
function draw(element, chart) {
  const layout = structuredClone(chart.layout);
  delete layout.title;
  layout.margin = { ...layout.margin, t: 12 };
  if (narrow.matches) {
    layout.font = { ...layout.font, size: 11 };
    layout.margin = { ...layout.margin, l: 46, r: 4 };
    chart = { ...chart, data: chart.data.map((trace) => ({ ...trace, texttemplate: undefined })) };
  }
  const font = layout.font, width = element.clientWidth, height = layout.height;
  layout.hoverlabel = { font };
  const label = Math.min(width / 3, 250);
  for (const [axis, length] of [[layout.xaxis, width], [layout.yaxis, height]]) {
    if (axis?.ticktext) axis.ticktext = foldedAll(axis.ticktext, label, font);
    // Plotly writes the titles of axes a little larger.
    if (axis?.title?.text) axis.title.text = folded(axis.title.text, 0.6 * length, { ...font, size: 1.2 * font.size });
  }
  const data = chart.data.map((trace) => {
    const texts = { hovertext: foldedAll(trace.hovertext, 0.4 * width, font), name: folded(trace.name, label, font) };
    const title = trace.colorbar?.title;
    if (title) texts.colorbar = { ...trace.colorbar, title: { ...title, text: folded(title.text, 0.6 * height, { ...font, size: 1.2 * font.size }) } };
    return { ...trace, ...Object.fromEntries(Object.entries(texts).filter(([, value]) => value !== undefined)) };
  });
  return Plotly.react(element, plain(data), plain(layout), config);
}

// Charts are drawn when they come near the screen: a page of many slices opens at once.
const watcher = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (entry.isIntersecting) {
      watcher.unobserve(entry.target);
      draw(entry.target, report.charts[entry.target.dataset.chart]);
    }
  }
}, { rootMargin: "600px" });
document.querySelectorAll("[data-chart]").forEach((element) => watcher.observe(element));

function options(select, labels) {
  select.replaceChildren(...labels.map((text, value) => new Option(text, String(value))));
}

function startLineCharts() {
  const numbers = Object.keys(report.numbers);
  options(byId("line-number"), numbers.map((key) => report.numbers[key]));
  options(byId("line-pair"), report.line_charts.map((lines) => lines.x + (lines.by ? `, a line for each ${lines.by}` : "")));
  const dashes = ["solid", "dash", "dot", "dashdot", "longdash", "longdashdot", "solid"];
  const symbols = ["circle", "square", "diamond", "cross", "triangle-up", "x", "star"];
  const show = () => {
    const lines = report.line_charts[Number(byId("line-pair").value)];
    const key = numbers[Number(byId("line-number").value)];
    const data = lines.lines.map((line, i) => ({
      type: "scatter", mode: "lines+markers", name: lines.by ? `${lines.by} ${line}` : line, x: lines.axis, y: lines.mean[key][i],
      error_y: { type: "data", array: lines.half[key][i], thickness: 1, width: 3 },
      line: { color: report.palette[i % report.palette.length], width: 2, dash: dashes[i % dashes.length] },
      marker: { size: 7, symbol: symbols[i % symbols.length] },
    }));
    const layout = structuredClone(report.line_layout);
    const title = `${report.numbers[key]} over ${lines.x}`;
    byId("line-title").textContent = title;
    layout.xaxis.title.text = lines.x;
    layout.xaxis.type = "category";
    layout.xaxis.tickvals = plain(lines.axis);
    layout.xaxis.ticktext = lines.axis;
    layout.yaxis.title.text = report.numbers[key];
    draw(byId("line-chart"), { data, layout });
    byId("line-chart").setAttribute("aria-label", title);
    byId("line-caption").textContent = (lines.held ? `Held: ${lines.held}. ` : "") + report.source;
  };
  byId("line-number").addEventListener("change", show);
  byId("line-pair").addEventListener("change", show);
  show();
}

function line(name, x, y, i, mode) {
  return { type: "scatter", mode, name, x, y, line: { color: report.palette[i % report.palette.length], width: 2 }, marker: { size: 6, opacity: 0.8, color: report.palette[i % report.palette.length] } };
}

function startRelations() {
  const keys = Object.keys(report.relations.numbers);
  options(byId("against"), keys.map((key) => report.numbers[key]));
  const show = () => {
    const key = keys[Number(byId("against").value)], { value, groups, by, left_out } = report.relations;
    const data = groups.map((group, i) => ({
      ...line(by ? `${by} ${group.name}` : "runs", group.rows.map((row) => report.relations.numbers[key][row]), group.rows.map((row) => value[row]), i, "markers"),
      hovertext: group.rows.map((row) => report.relations.names[row]), hoverinfo: "text+x+y",
    }));
    const layout = structuredClone(report.line_layout);
    layout.xaxis.title.text = report.numbers[key];
    layout.yaxis.title.text = report.relations.title;
    byId("against-title").textContent = `${report.relations.title} against ${report.numbers[key]}, a mark for each run`;
    byId("against-caption").textContent = `${report.source}.` + (left_out ? ` ${left_out} runs are left out, drawn at random.` : "");
    draw(byId("against-chart"), { data, layout });
  };
  byId("against").addEventListener("change", show);
  show();
}

function startCurves() {
  const keys = Object.keys(report.curves.titles);
  options(byId("curve"), keys.map((key) => report.curves.titles[key]));
  const show = () => {
    const key = keys[Number(byId("curve").value)];
    const data = report.curves.runs.filter((run) => key in run.lines).map((run, i) => line(run.name, run.lines[key][0], run.lines[key][1], i, "lines+markers"));
    const layout = structuredClone(report.line_layout);
    layout.xaxis.title.text = "step";
    layout.yaxis.title.text = report.curves.titles[key];
    byId("curve-title").textContent = `${report.curves.titles[key]} while training`;
    draw(byId("curve-chart"), { data, layout });
  };
  byId("curve").addEventListener("change", show);
  show();
}

function startTraversals() {
  const slider = byId("gamma"), figure = byId("gamma-figure"), image = byId("gamma-image"), strip = byId("strip");
  const figures = [...new Set(report.traversals.flatMap((run) => Object.keys(run.images)))];
  options(figure, figures.map((name) => name.replaceAll("_", " ")));
  const buttons = report.traversals.map((run, i) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(Object.assign(document.createElement("img"), { alt: "", loading: "lazy" }), `γ = ${run.granularity}`);
    button.addEventListener("click", () => { slider.value = String(i); show(); });
    return button;
  });
  strip.replaceChildren(...buttons);
  const show = () => {
    const chosen = Number(slider.value), name = figures[Number(figure.value)], run = report.traversals[chosen];
    // One dimension a group has no pictures of groups: its traversals by dimension stand in, and say so.
    const shown = name in run.images ? name : Object.keys(run.images)[0];
    image.src = run.images[shown];
    image.alt = `${shown.replaceAll("_", " ")} of ${run.name}: granularity ${run.granularity}, ${run.parameters}`;
    byId("gamma-value").textContent = run.granularity;
    slider.setAttribute("aria-valuetext", `granularity ${run.granularity}`);
    byId("gamma-run").textContent = `${run.name}: ${run.value}; ${run.parameters}; ${report.source}` + (shown === name ? "" : ` (no ${name.replaceAll("_", " ")} at this γ)`);
    buttons.forEach((button, i) => {
      const other = report.traversals[i].images;
      button.firstChild.src = other[name] ?? Object.values(other)[0];
      button.setAttribute("aria-pressed", String(i === chosen));
    });
  };
  slider.addEventListener("input", show);
  figure.addEventListener("change", show);
  show();
}

function startTable() {
  const kinds = Object.keys(report.tables);
  options(byId("table-kind"), kinds);
  let order = { column: -1, down: false };
  const show = () => {
    const table = report.tables[kinds[Number(byId("table-kind").value)]];
    const words = byId("table-filter").value.toLowerCase().split(/\s+/).filter(Boolean);
    const text = (row) => row.map((cell, i) => `${table.columns[i]}=${cell ?? ""} ${cell ?? ""}`).join(" ").toLowerCase();
    let rows = table.rows.filter((row) => words.every((word) => text(row).includes(word)));
    if (order.column >= 0) {
      const sign = order.down ? -1 : 1;
      const value = (row) => row[order.column];
      rows = rows.toSorted((a, b) => {
        const [left, right] = [value(a), value(b)];
        if (left === null || right === null) return (left === null) - (right === null); // what is missing stays below
        return sign * (typeof left === "number" && typeof right === "number" ? left - right : String(left).localeCompare(String(right)));
      });
    }
    const head = document.createElement("tr");
    table.columns.forEach((name, i) => {
      const cell = document.createElement("th"), button = document.createElement("button");
      cell.scope = "col";
      const sorted = order.column === i;
      cell.setAttribute("aria-sort", sorted ? (order.down ? "descending" : "ascending") : "none");
      button.type = "button";
      button.textContent = name + (sorted ? (order.down ? " ↓" : " ↑") : "");
      button.addEventListener("click", () => {
        order = { column: i, down: sorted ? !order.down : false };
        show();
        byId("table-body").querySelectorAll("thead button")[i].focus();
      });
      cell.append(button);
      head.append(cell);
    });
    const body = document.createElement("tbody");
    for (const row of rows) {
      const line = document.createElement("tr");
      for (const cell of row) {
        const place = document.createElement("td");
        if (typeof cell === "number") place.className = "number";
        const text = cell === null ? "–" : String(cell), link = Object.hasOwn(report.links, text) ? report.links[text] : null;
        place.replaceChildren(link ? Object.assign(document.createElement("a"), { href: link, textContent: text }) : text);
        line.append(place);
      }
      body.append(line);
    }
    const top = document.createElement("thead");
    top.append(head);
    byId("table-body").replaceChildren(top, body);
    const left = table.left_out ? `; ${table.left_out} more are in ${table.file}` : "";
    byId("table-count").textContent = `${rows.length} of ${table.rows.length} rows${left}`;
  };
  byId("table-filter").addEventListener("input", show);
  byId("table-kind").addEventListener("change", () => { order = { column: -1, down: false }; show(); });
  show();
}

if (report.line_charts.length) startLineCharts();
if (report.relations) startRelations();
if (report.curves) startCurves();
if (report.traversals.length) startTraversals();
startTable();
