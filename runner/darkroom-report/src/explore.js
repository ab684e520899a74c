// Explores the page: filters by factor and by text, keeps the state in the address (a link to it shows
// the same), and copies figures and tables. Without scripts all of it is there, unfiltered.
(() => {
  const section = document.getElementById("matrix");
  const make = (name, props = {}, ...within) => {
    const made = Object.assign(document.createElement(name), props);
    made.append(...within);
    return made;
  };
  const say = make("p", { className: "quiet", role: "status" });

  // ---- filters and state ----
  const FACTORS = ["variant", "runtime", "architecture", "memory", "image set", "trigger", "input", "start", "SnapStart", "concurrency"];
  const cells = new Map();
  for (const head of document.querySelectorAll("table.stages th[data-levels]")) {
    cells.set(head.dataset.cell, { levels: JSON.parse(head.dataset.levels), text: `${head.dataset.cell} ${head.dataset.label}`.toLowerCase() });
  }
  const chosen = new Map(), controls = make("form", { className: "controls" });
  controls.addEventListener("submit", (event) => event.preventDefault());
  const search = make("input", { type: "search", placeholder: "part of a cell's name" });
  const median = make("input", { type: "checkbox" }), intervals = make("input", { type: "checkbox" });

  const isShown = (id) => {
    const cell = cells.get(id);
    if (!cell) return true;
    const fits = [...chosen].every(([place, level]) => cell.levels[place] === level);
    return fits && cell.text.includes(search.value.trim().toLowerCase());
  };
  // Of a model several cells stand in one row: it stays while one of them is shown.
  const anyShown = (ids) => ids.split(" ").some(isShown);
  const filter = () => {
    for (const table of matrix.tables) {
      const heads = [...table.tHead.rows[0].cells];
      heads.forEach((head, place) => {
        const out = head.dataset.cell !== undefined && !isShown(head.dataset.cell);
        for (const row of table.rows) row.cells[place].toggleAttribute("data-out", out);
      });
    }
    for (const row of document.querySelectorAll("tr[data-cell]")) row.toggleAttribute("data-out", !isShown(row.dataset.cell));
    for (const row of document.querySelectorAll("tr[data-cell-a]")) {
      row.toggleAttribute("data-out", !(anyShown(row.dataset.cellA) && anyShown(row.dataset.cellB)));
    }
    const shown = [...cells.keys()].filter(isShown).length;
    say.textContent = shown < cells.size ? `${shown} of ${cells.size} cells in the tables; figures and sentences are of all cells` : "";
  };

  const write = () => {
    const state = new URLSearchParams();
    for (const [place, level] of chosen) state.set(FACTORS[place], level);
    if (search.value.trim()) state.set("find", search.value.trim());
    if (median.checked) state.set("by", "median");
    if (intervals.checked) state.set("intervals", "yes");
    for (const base of matrix.bases()) if (!first.includes(base)) state.append("baseline", base);
    const text = state.toString();
    if (text || location.hash.includes("=")) history.replaceState(null, "", text ? `#${text}` : location.pathname + location.search);
  };
  const first = matrix.bases();
  const selects = new Map();
  const read = () => {
    if (location.hash && !location.hash.includes("=")) return;
    const state = new URLSearchParams(location.hash.slice(1));
    for (const [place, select] of selects) {
      const level = state.get(FACTORS[place]) ?? "", known = [...select.options].some((option) => option.value === level);
      select.value = known ? level : "";
      if (select.value) chosen.set(place, select.value); else chosen.delete(place);
    }
    search.value = state.get("find") ?? "";
    median.checked = state.get("by") === "median";
    intervals.checked = state.get("intervals") === "yes";
    section?.classList.toggle("with-intervals", intervals.checked);
    if ((matrix.by() === "median") !== median.checked) matrix.setBy(median.checked ? "median" : "mean");
    matrix.setBases([...state.getAll("baseline"), ...first]);
    filter();
  };

  if (section && cells.size) {
    FACTORS.forEach((factor, place) => {
      const levels = [...new Set([...cells.values()].map((cell) => cell.levels[place]))];
      if (levels.length < 2) return;
      const select = make("select", {}, make("option", { value: "", textContent: "all" }), ...levels.map((level) => make("option", { value: level, textContent: level })));
      select.addEventListener("change", () => {
        if (select.value) chosen.set(place, select.value); else chosen.delete(place);
        filter();
        write();
      });
      selects.set(place, select);
      controls.append(make("label", {}, `${factor} `, select));
    });
    search.addEventListener("input", () => { filter(); write(); });
    median.addEventListener("change", () => { matrix.setBy(median.checked ? "median" : "mean"); write(); });
    intervals.addEventListener("change", () => { section.classList.toggle("with-intervals", intervals.checked); write(); });
    if (cells.size > 1) controls.append(make("label", {}, "find ", search));
    controls.append(make("label", {}, median, " medians"), make("label", {}, intervals, " intervals"));
    section.querySelector("h2").after(controls, say);
    matrix.onChange(write);
    addEventListener("hashchange", read);
    read();
  }

  // ---- copies ----
  const told = (button, text) => {
    const before = button.textContent;
    button.textContent = text;
    setTimeout(() => { button.textContent = before; }, 1500);
  };
  const copy = async (button, text) => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // An old browser, or one that does not let a file do it.
      const area = make("textarea", { value: text });
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    told(button, "copied");
  };
  const button = (text, label, then) => {
    const made = make("button", { type: "button", textContent: text });
    made.setAttribute("aria-label", label);
    made.addEventListener("click", () => then(made));
    return made;
  };

  // What is shown of a table, as rows of texts.
  const rows = (table) => [...table.rows].filter((row) => !row.hasAttribute("data-out")).map((row) =>
    [...row.cells].filter((cell) => !cell.hasAttribute("data-out")).map((cell) => {
      const clone = cell.cloneNode(true);
      if (table.classList.contains("stages")) clone.querySelectorAll("button").forEach((one) => one.remove());
      if (clone.matches("th.base")) clone.append("(baseline)");
      if (!section?.classList.contains("with-intervals")) clone.querySelectorAll(".ci").forEach((one) => one.remove());
      return [...clone.childNodes].map((node) => node.textContent.trim()).filter(Boolean).join(" ");
    }));
  const FORMATS = {
    Markdown: (rows) => rows.map((row, place) => {
      const line = `| ${row.map((text) => text.replaceAll("|", "\\|")).join(" | ")} |`;
      return place ? line : `${line}\n|${row.map(() => "---").join("|")}|`;
    }).join("\n") + "\n",
    CSV: (rows) => rows.map((row) => row.map((text) => {
      const harmless = /^[=+@\t\r]|^-\D/.test(text) ? `'${text}` : text;
      return /[",\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
    }).join(",")).join("\n") + "\n",
    LaTeX: (rows) => {
      const words = { "\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "×": "$\\times$", "δ": "$\\delta$", "–": "--", "<": "$<$", ">": "$>$" };
      const safe = (text) => text.replace(/[\\~^×δ–<>&%$#_{}]/g, (letter) => words[letter] ?? `\\${letter}`);
      const [head, ...body] = rows.map((row) => `${row.map(safe).join(" & ")} \\\\`);
      return `\\begin{tabular}{l${"r".repeat(rows[0].length - 1)}}\n\\toprule\n${head}\n\\midrule\n${body.join("\n")}\n\\bottomrule\n\\end{tabular}\n`;
    },
  };
  for (const table of document.querySelectorAll("table.stages, table.sortable")) {
    const name = table.caption?.textContent ?? table.closest("[aria-label]")?.getAttribute("aria-label") ?? "table";
    const bar = make("p", { className: "copies" }, "Copy as ");
    for (const format of Object.keys(FORMATS)) {
      bar.append(button(format, `${format}: copy the table ${name}`, (made) => copy(made, FORMATS[format](rows(table)))), " ");
    }
    table.closest(".wide").after(bar);
  }

  // A figure as it is seen, in the colours of the theme.
  const drawn = (svg) => {
    const clone = svg.cloneNode(true), look = getComputedStyle(svg);
    clone.setAttribute("color", look.color);
    clone.style.background = getComputedStyle(document.body).backgroundColor;
    return clone;
  };
  const save = (name, blob) => {
    const link = make("a", { download: name, href: URL.createObjectURL(blob) });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };
  const png = (made, name, svg) => {
    const clone = drawn(svg), scale = 3, { width, height } = svg.viewBox.baseVal, picture = new Image();
    picture.onload = () => {
      const canvas = make("canvas", { width: width * scale, height: height * scale });
      canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
      canvas.toBlob((blob) => { save(`${name}.png`, blob); told(made, "saved"); });
    };
    picture.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(clone.outerHTML)}`;
  };
  for (const figure of document.querySelectorAll("section.figure, .panel")) {
    const svg = figure.querySelector("svg"), title = figure.querySelector("h2, h3").textContent;
    if (!svg || figure.querySelector(".panel")) continue;
    figure.append(make("p", { className: "copies" },
      button("Copy SVG", `Copy SVG: ${title}`, (made) => copy(made, drawn(svg).outerHTML)), " ",
      button("Save PNG", `Save PNG: ${title}`, (made) => png(made, figure.id, svg))));
  }
})();
