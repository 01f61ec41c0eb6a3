"use strict";
document.querySelectorAll("table.sortable").forEach(function (table) {
  const body = table.tBodies[0];
  table.querySelectorAll("th").forEach(function (head, column) {
    function sort() {
      const down = head.getAttribute("aria-sort") === "ascending";
      table.querySelectorAll("th").forEach((each) => each.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const value = (row) => row.cells[column].dataset.value;
      const rows = Array.from(body.rows).sort(function (one, other) {
        const a = value(one), b = value(other);
        if (a === "" || b === "") return (a === "") - (b === "");  // what is not known comes last, either way
        const order = isNaN(a) || isNaN(b) ? (a < b ? -1 : a > b ? 1 : 0) : Number(a) - Number(b);
        return down ? -order : order;
      });
      rows.forEach((row) => body.appendChild(row));
    }
    head.addEventListener("click", sort);
    head.addEventListener("keydown", function (event) {
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); event.stopPropagation(); sort(); }
    });
  });
});
