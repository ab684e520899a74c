// Fills the matrix anew: for another baseline, with medians, or with intervals. Every number is looked
// up in the tables of this page (#numbers, #comparisons); where no comparison has the two cells, the
// ratio is one number shown divided by the other, and is said to be not tested.
const matrix = (() => {
  const tables = [...document.querySelectorAll("table.stages")];
  const state = { by: "mean", bases: new Map() };
  const number = (cell) => (cell?.dataset.value === undefined ? NaN : Number(cell.dataset.value));
  const key = (...parts) => parts.join("\u0001");
  const claims = ["faster", "slower", "cheaper", "dearer"];
  const turned = { slower: "faster", dearer: "cheaper", faster: "slower", cheaper: "dearer" };

  // As the page writes numbers: three significant figures.
  const figure = (value) => {
    const size = Math.abs(value);
    if (size >= 100) return value.toFixed(0);
    if (size >= 10) return value.toFixed(1);
    if (size >= 1) return value.toFixed(2);
    if (size >= 0.1 || size === 0) return value.toFixed(3);
    if (size >= 0.01) return value.toFixed(4);
    if (size >= 0.001) return value.toFixed(5);
    return value.toExponential(2).replace("e+", "e");
  };
  const interval = ([low, high]) => (isNaN(low) || isNaN(high) ? "" : `[${figure(low)}, ${figure(high)}]`);

  // Looked up once, when first needed: a page has many rows.
  const once = (make) => { let made; return () => (made ??= make()); };
  const numbers = once(() => {
    const found = new Map();
    for (const row of document.querySelectorAll("#numbers tr[data-cell]")) {
      const of = row.dataset, at = (place) => number(row.cells[place]);
      found.set(key(of.cell, of.stage, of.metric), { n: at(2), mean: at(3), ci: [at(4), at(5)], median: at(8) });
    }
    return found;
  });
  const pairs = once(() => {
    const found = new Map();
    for (const row of document.querySelectorAll("#comparisons tr[data-cell-a]")) {
      const of = row.dataset, at = (place) => number(row.cells[place]);
      if (of.factor === "model" || of.factor === "deployment") continue;
      const medians = (of.medians ?? "").split(" ").filter(Boolean).map(Number);
      found.set(key(of.cellA, of.cellB, of.stage, of.metric), {
        verdict: of.verdict, mean: [at(4), at(5), at(6)], median: [medians[0] ?? NaN, medians[1] ?? NaN, medians[2] ?? NaN],
      });
    }
    return found;
  });

  // Claims are of means. Beside medians one stands only where the interval of their ratio (first cell below,
  // as in comparisons) shows it too.
  const shown = (verdict, [, low, high]) => {
    if (state.by === "mean") return verdict;
    const isShown = { faster: high < 1, cheaper: high < 1, slower: low > 1, dearer: low > 1, equivalent: low >= 0.95 && high <= 1.05 };
    return isShown[verdict] === false ? "inconclusive" : verdict;
  };

  const against = (base, cell, { stage, metric }, value) => {
    const compared = metric === "cost_usd_per_100k" ? "cost_usd" : metric;
    const there = pairs().get(key(base, cell, stage, compared)), back = pairs().get(key(cell, base, stage, compared));
    if (there && !isNaN(there[state.by][0])) {
      const [ratio, low, high] = there[state.by];
      return { ratio, ci: [low, high], verdict: shown(there.verdict, there[state.by]) };
    }
    if (back && !isNaN(back[state.by][0])) {
      const [ratio, low, high] = back[state.by], verdict = shown(back.verdict, back[state.by]);
      return { ratio: 1 / ratio, ci: [1 / high, 1 / low], verdict: turned[verdict] ?? verdict };
    }
    const of = numbers().get(key(base, stage, metric))?.[state.by];
    return of > 0 ? { ratio: value / of, ci: [NaN, NaN], verdict: null } : null;
  };
  const word = (verdict) => ({ equivalent: "within 5%", inconclusive: "unclear" })[verdict]
    ?? (verdict === null ? "not tested" : claims.includes(verdict) ? verdict : "not compared");

  const part = (name, text, kind) => {
    const made = document.createElement(name);
    made.textContent = text;
    if (kind) made.className = kind;
    return made;
  };

  const fill = (field, head, base, row) => {
    const known = numbers().get(key(head.dataset.cell, row.stage, row.metric));
    if (!known || field.dataset.value === undefined) return;
    const value = known[state.by], flags = [...field.querySelectorAll(".flag")];
    const isRight = head.dataset.compared === "true";
    const ratio = base && isRight && base !== head.dataset.cell ? against(base, head.dataset.cell, row, value) : null;
    const isBetter = ratio && ["faster", "cheaper"].includes(ratio.verdict);
    const isClaim = ratio && claims.includes(ratio.verdict);
    field.className = isRight ? (isClaim ? (isBetter ? "better" : "worse") : "") : "wrong-work";
    const strength = isClaim ? 8 + Math.min(Math.abs(Math.log(ratio.ratio)) / Math.log(10), 1) * 26 : 0;
    field.style.setProperty("--shade", `${strength.toFixed(0)}%`);
    field.dataset.value = value;
    if (ratio) field.dataset.ratio = ratio.ratio; else delete field.dataset.ratio;
    const lines = [part("b", figure(value))];
    if (ratio) {
      const line = part("span", `×${figure(ratio.ratio)} `);
      line.append(part("i", word(ratio.verdict)));
      lines.push(line);
    }
    const ci = state.by === "mean" ? interval(known.ci) : "";
    field.replaceChildren(...lines, ...flags, part("span", ci, "ci"));
    const beside = ratio ? `; ×${figure(ratio.ratio)} ${interval(ratio.ci)}, ${word(ratio.verdict)}` : "";
    field.title = `${state.by} ${figure(value)} ${row.unit} ${ci}, n = ${known.n}${beside}`;
  };

  const mark = (button, head, isBase) => {
    button.textContent = isBase ? "baseline" : "set as baseline";
    button.setAttribute("aria-label", `${button.textContent}: ${head.dataset.label}`);
    button.setAttribute("aria-pressed", isBase);
  };

  const refill = (table) => {
    const heads = [...table.tHead.rows[0].cells].slice(1), base = state.bases.get(table);
    table.tHead.rows[0].cells[0].textContent = state.by;
    for (const head of heads) {
      const isBase = head.dataset.cell === base;
      head.classList.toggle("base", isBase);
      const button = head.querySelector("button");
      if (!button) continue;
      mark(button, head, isBase);
    }
    for (const row of table.tBodies[0].rows) {
      heads.forEach((head, place) => fill(row.cells[place + 1], head, base, row.dataset));
    }
  };

  for (const table of tables) {
    const heads = [...table.tHead.rows[0].cells].slice(1);
    state.bases.set(table, heads.find((head) => head.classList.contains("base"))?.dataset.cell);
    for (const head of heads) {
      head.querySelector("i")?.remove();
      if (head.dataset.compared !== "true") continue;
      const button = part("button", "");
      button.type = "button";
      mark(button, head, head.classList.contains("base"));
      button.addEventListener("click", () => { state.bases.set(table, head.dataset.cell); refill(table); changed(); });
      head.append(" ", button);
    }
  }
  let changed = () => {};
  return {
    tables,
    onChange: (then) => { changed = then; },
    by: () => state.by,
    setBy: (by) => { state.by = by; tables.forEach(refill); },
    bases: () => [...state.bases.values()].filter(Boolean),
    // The first of these cells that a table has becomes its baseline.
    setBases: (cells) => {
      for (const table of tables) {
        const heads = [...table.tHead.rows[0].cells].filter((head) => head.dataset.compared === "true");
        const base = cells.find((cell) => heads.some((head) => head.dataset.cell === cell));
        if (base && state.bases.get(table) !== base) { state.bases.set(table, base); refill(table); }
      }
    },
  };
})();
