// The charts of the overview: what the node has gathered, and then each second what
// is new.
"use strict";
(() => {
  const kept = 900; // samples, as on the server
  const columns = () => Array.from({ length: 8 }, () => []);
  let data = columns();
  let run = 0;
  let count = 0;
  let charts = [];

  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const incs = [1, 2, 5].flatMap((n) => [n, n * 10, n * 100, n * 1e3, n * 1e4, n * 1e5, n * 1e6]).sort((a, b) => a - b);
  const round = (v) => (v >= 100 ? String(Math.round(v)) : String(Number(v.toPrecision(2))));
  const rate = (v) => (v === null || v === undefined ? "" : v >= 10 ? Math.round(v).toLocaleString("en") : String(Math.round(v * 10) / 10));
  const time = (s) => (s === null || s === undefined ? "" : s < 1e-3 ? round(s * 1e6) + " µs" : s < 1 ? round(s * 1e3) + " ms" : round(s) + " s");

  const powers = (_, v) => v.map((s) => (Math.abs(Math.log10(s) - Math.round(Math.log10(s))) < 1e-9 ? s : null));

  const draw = () => {
    for (const chart of charts) chart.destroy();
    const grid = { stroke: color("--line"), width: 1 };
    const clock = (s) => new Date(s * 1000).toISOString().slice(11, 19); // in UTC, as all times of the pages
    const across = { range: (_, from, to) => (from === null ? [0, 60] : [Math.min(from, to - 60), to]) };
    const axis = { stroke: color("--muted"), grid, ticks: grid, font: "12px system-ui, sans-serif" };
    const along = { ...axis, space: 90, values: (_, v) => v.map(clock) };
    // A second between two in which nothing happened has no line: it is a point.
    const alone = (chart, i) => {
      const of = chart.data[i];
      return [...of.keys()].filter((at) => of[at] != null && of[at - 1] == null && of[at + 1] == null);
    };
    const line = (label, name, value, dash) => ({ label, stroke: color(name), width: 2, dash, value: (_, v) => value(v), points: { show: false, filter: alone, size: 5, fill: color(name) }, spanGaps: false });
    const make = (id, series, part, extra) => {
      const at = document.getElementById(id);
      const chart = new uPlot({
        width: at.clientWidth, height: 200, padding: [8, 28, 0, 0], cursor: { drag: { x: false, y: false } },
        series: [{ label: "time (UTC)", value: (_, v) => (v ? clock(v) : "") }, ...series], ...extra,
      }, part(), at);
      chart.part = part;
      chart.at = at;
      return chart;
    };
    charts = [
      make("rate", [line("reads", "--chart1", rate), line("writes", "--chart2", rate), line("failed", "--bad", rate)],
        () => [data[0], data[1], data[2], data[3]],
        { scales: { x: across, y: { range: (_, __, top) => [0, Math.max(1, top * 1.1)] } }, axes: [along, { ...axis, size: 66, incrs: incs, values: (_, v) => v.map(rate) }] }),
      make("latency", [
        line("reads, half", "--chart1", time), line("reads, 99 of 100", "--chart1", time, [6, 4]),
        line("writes, half", "--chart2", time), line("writes, 99 of 100", "--chart2", time, [6, 4])],
        () => [data[0], data[4], data[5], data[6], data[7]],
        {
          scales: { x: across, y: { distr: 3, range: (_, low, top) => (low > 0 ? [10 ** Math.floor(Math.log10(low)), 10 ** Math.ceil(Math.log10(top * 1.01))] : [1e-5, 1e-2]) } },
          axes: [along, { ...axis, size: 66, space: 24, filter: powers, grid: { ...grid, filter: powers }, ticks: { ...grid, filter: powers }, values: (_, v) => v.map((s) => (s === null ? "" : time(s))) }],
        }),
    ];
  };

  // Where no cursor points, the legend has the latest.
  const tell = (chart) => {
    if (chart.cursor.idx === null || chart.cursor.idx === undefined) chart.setLegend({ idx: data[0].length - 1 });
  };

  const show = () => {
    for (const chart of charts) {
      chart.setData(chart.part());
      tell(chart);
    }
    const last = (i) => data[i][data[i].length - 1];
    if (data[0].length === 0) return;
    const latency = (half, most) => (last(half) === null ? "none in the last second" : `half within ${time(last(half))}, 99 of 100 within ${time(last(most))}`);
    const now = { reads: rate(last(1)), writes: rate(last(2)), rl: latency(4, 5), wl: latency(6, 7) };
    for (const out of document.querySelectorAll("[data-now]")) out.textContent = now[out.dataset.now];
  };

  const take = (answer) => {
    if (answer.run !== run && count !== 0) { // the node was started again: begin anew
      data = columns();
      count = 0;
      run = answer.run;
      return;
    }
    for (const sample of answer.samples) {
      sample.forEach((v, i) => data[i].push(i >= 4 && v < 0 ? null : v));
    }
    data = data.map((c) => c.slice(-kept));
    run = answer.run;
    count = answer.count;
  };

  const poll = async () => {
    if (!document.hidden) {
      try {
        const response = await fetch("/dashboard/overview/samples?after=" + count, { cache: "no-store" });
        if (response.status === 401) return; // the session has ended: the page says so by itself
        if (response.ok) {
          take(await response.json());
          show();
        }
      } catch {
        // The node is away: the page says so.
      }
    }
    setTimeout(poll, 1000);
  };

  draw();
  new ResizeObserver(() => {
    for (const chart of charts) {
      if (chart.at.clientWidth === chart.width) continue;
      chart.setSize({ width: chart.at.clientWidth, height: 200 });
      tell(chart);
    }
  }).observe(document.getElementById("rate"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { draw(); show(); });
  poll();
})();
