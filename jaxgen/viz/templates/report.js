// Sort by a column: an entry and its readings (one tbody) move together, and what has no value stays last.
const table = document.getElementById("results");
table.tHead.querySelectorAll("th").forEach((head, column) => head.addEventListener("click", () => {
  const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
  table.tHead.querySelectorAll("th").forEach(other => other.removeAttribute("aria-sort"));
  head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
  const key = body => body.rows[0].cells[column].dataset.order;
  const compare = (a, b) => (isNaN(a) || isNaN(b)) ? a.localeCompare(b) : a - b;
  [...table.tBodies]
    .sort((a, b) => (!key(a) - !key(b)) || sign * compare(key(a), key(b)))
    .forEach(body => table.append(body));
}));
