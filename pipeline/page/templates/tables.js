// Tables: sorted by their headers, and told apart where they scroll sideways. The page says as much without.
for (const table of document.querySelectorAll("table.sortable")) {
  const headers = [...table.tHead.rows[0].cells];
  const isFixed = row => row.matches(".group, .baseline");
  const valueOf = (row, column) => {
    let cell = null, passed = 0;
    for (cell of row.cells) { if (passed >= column) break; passed += cell.colSpan; }
    const number = Number(cell.dataset.value ?? cell.textContent);
    return Number.isNaN(number) ? cell.textContent.trim() : number;
  };
  const compare = (a, b) => typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
  const sortBy = (column, direction) => {
    for (const body of table.tBodies) {
      const rows = [...body.rows].filter(row => !isFixed(row));
      rows.sort((a, b) => direction * compare(valueOf(a, column), valueOf(b, column)));
      const last = [...body.rows].find(row => row.matches(".baseline"));
      for (const row of rows) body.insertBefore(row, last ?? null);
    }
    headers.forEach((header, index) => header.setAttribute(
      "aria-sort", index !== column ? "none" : direction > 0 ? "ascending" : "descending"));
  };
  headers.forEach((header, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    header.append(button);
    header.setAttribute("aria-sort", "none");
    const isNumber = header.classList.contains("number");
    button.addEventListener("click", () => {
      const sorted = header.getAttribute("aria-sort");
      const first = isNumber ? -1 : 1;
      sortBy(column, sorted === "none" ? first : sorted === "ascending" ? -1 : 1);
    });
  });
}

const markScrolling = () => {
  for (const wide of document.querySelectorAll(".wide")) {
    const scrolls = wide.scrollWidth > wide.clientWidth + 1;
    wide.classList.toggle("scrolls", scrolls);
    wide.tabIndex = scrolls ? 0 : -1;
  }
};
addEventListener("resize", markScrolling);
document.addEventListener("toggle", markScrolling, true);
markScrolling();

// What is folded is printed too, and folded again afterwards.
let folded = [];
addEventListener("beforeprint", () => {
  folded = [...document.querySelectorAll("details:not([open])")];
  for (const details of folded) details.open = true;
});
addEventListener("afterprint", () => { for (const details of folded) details.open = false; });
