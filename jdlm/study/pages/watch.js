"use strict";
(function () {
  const scene = JSON.parse(document.getElementById("scene").textContent);
  const stage = document.getElementById("stage");
  // Cividis, which people with any colour vision can tell apart: dark blue (early) to yellow (late).
  const stops = [[0, 34, 78], [53, 69, 108], [102, 105, 112], [148, 142, 119], [200, 184, 102], [254, 232, 56]];
  const calm = window.matchMedia && window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  let draw = 0, step = 0, timer = null;

  function make(tag, parent, attributes) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (name === "text") node.textContent = value; else node.setAttribute(name, value);
    }
    if (parent) parent.appendChild(node);
    return node;
  }

  function colours(number, all) {
    const place = all > 1 ? (number - 1) / (all - 1) * (stops.length - 1) : 0;
    const low = Math.min(Math.floor(place), stops.length - 2), part = place - low;
    const mixed = stops[low].map((value, i) => Math.round(value + part * (stops[low + 1][i] - value)));
    const light = mixed.map((value) => { const c = value / 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; });
    const luminance = 0.2126 * light[0] + 0.7152 * light[1] + 0.0722 * light[2];
    return ["rgb(" + mixed.join(",") + ")", luminance > 0.18 ? "#000000" : "#ffffff"];
  }

  const last = () => Math.max(1, ...scene.schedules.map((each) => each.draws[draw].steps.length));
  const controls = make("div", stage, { class: "controls" });
  const play = make("button", controls, { id: "play", type: "button", text: "Play", title: "space" });
  const slider = make("input", controls, { id: "slider", type: "range", min: "0", step: "1", "aria-label": "step" });
  const says = make("output", controls, { id: "says" });
  const draws = Math.min(...scene.schedules.map((each) => each.draws.length));
  const again = make("button", controls, { id: "again", type: "button", text: "New draw", title: "n" });
  again.hidden = draws < 2;
  const note = scene.planner === "random" ? "random positions" : "positions by " + scene.planner;
  make("p", stage, { class: "note", text: note + "; colours say which step revealed a token, from dark (first) to yellow (last); keys: space, arrows, Home, End, n" });
  const cards = make("div", stage, { class: "cards" + (scene.close ? " close" : "") });
  const known = new Map(scene.given);
  const views = scene.schedules.map(function (each) {
    const card = make("div", cards, { class: "card" });
    make("h3", card, { text: each.name });
    const box = make("div", card, { class: "cells", role: "img" });
    const cells = [];
    for (let place = 0; place < scene.length; place++) cells.push(make("span", box, { class: "cell", "data-place": place }));
    const sizes = make("div", card, { class: "sizes", "aria-hidden": "true" });
    const line = make("div", card, { class: "says" });
    return { card, box, cells, sizes, count: make("span", line), score: make("span", line) };
  });

  function show() {
    const most = last();
    step = Math.max(0, Math.min(step, most));
    slider.max = String(most);
    slider.value = String(step);
    says.textContent = "step " + step + " of " + most + ", draw " + (draw + 1) + " of " + draws;
    scene.schedules.forEach(function (each, number) {
      const mine = each.draws[draw], view = views[number], upto = Math.min(step, mine.steps.length);
      const tokens = new Array(scene.length).fill(-1), when = new Array(scene.length).fill(0);
      known.forEach((token, place) => { tokens[place] = token; });
      for (let i = 0; i < upto; i++) {
        for (const [place, token] of mine.steps[i]) { tokens[place] = token; when[place] = token < 0 ? 0 : i + 1; }
      }
      view.cells.forEach(function (cell, place) {
        const token = tokens[place], given = known.has(place);
        cell.textContent = token < 0 ? scene.mask : scene.symbols[token];
        cell.dataset.token = String(token);
        cell.dataset.step = String(when[place]);
        cell.className = "cell" + (given ? " given" : "") + (when[place] && when[place] === step ? " new" : "");
        const [back, front] = token < 0 || given ? ["", ""] : colours(when[place], mine.steps.length);
        cell.style.background = back;
        cell.style.color = front;
        cell.title = "position " + (place + 1) + (given ? ", given" : when[place] ? ", step " + when[place] : ", masked");
      });
      const masked = tokens.filter((token) => token < 0).length;
      view.box.setAttribute("aria-label", masked + " of " + scene.length + " masked: " + tokens.map((token) => token < 0 ? scene.mask : scene.symbols[token]).join(scene.close ? "" : " "));
      view.sizes.textContent = "";
      mine.steps.forEach(function (changes, i) {
        const size = changes.filter(([, token]) => token >= 0).length;
        const part = make("span", view.sizes, { text: size, title: "step " + (i + 1) + ": " + size });
        part.style.flex = String(Math.max(size, 0.2)) + " 1 0";
        const [back, front] = colours(i + 1, mine.steps.length);
        part.style.background = back;
        part.style.color = front;
        if (i < upto) part.className = "done";
      });
      view.count.textContent = upto + " of " + mine.steps.length + " calls";
      view.score.textContent = "log p = " + (upto ? mine.log_prob[upto - 1].toFixed(2) : "0.00") + " nats";
    });
  }

  function stop() { clearInterval(timer); timer = null; play.textContent = "Play"; }
  function start() {
    if (step >= last()) step = 0;
    play.textContent = "Pause";
    show();
    timer = setInterval(function () { step += 1; show(); if (step >= last()) stop(); }, calm ? 1500 : 700);
  }
  function go(to) { stop(); step = to; show(); }
  function next() { stop(); draw = (draw + 1) % draws; show(); }
  play.addEventListener("click", () => timer ? stop() : start());
  slider.addEventListener("input", () => go(Number(slider.value)));
  again.addEventListener("click", next);
  document.addEventListener("keydown", function (event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target.tagName === "TH", on = event.target.tagName;
    if (event.key === " " && on !== "BUTTON" && !typing) { event.preventDefault(); timer ? stop() : start(); }
    else if (event.key === "ArrowRight" && on !== "INPUT") go(step + 1);
    else if (event.key === "ArrowLeft" && on !== "INPUT") go(step - 1);
    else if (event.key === "Home" && on !== "INPUT") { event.preventDefault(); go(0); }
    else if (event.key === "End" && on !== "INPUT") { event.preventDefault(); go(last()); }
    else if (event.key === "n" && draws > 1) next();
  });
  show();
})();
