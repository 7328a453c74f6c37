"use strict";

// Before and after: a divider over two of the pictures, moved by pointer, touch or keyboard.
function makeSlider(slider) {
  const stage = slider.querySelector(".stage");
  const range = slider.querySelector("input");
  const pictures = stage.querySelectorAll("img");

  const move = () => stage.style.setProperty("--split", range.value + "%");
  const follow = (event) => {
    const box = stage.getBoundingClientRect();
    range.value = ((event.clientX - box.left) / box.width) * 100;
    move();
  };
  const choose = (side, select) => {
    pictures.forEach((picture, place) => picture.classList.toggle(side, place === Number(select.value)));
    stage.querySelector(".tag." + side).textContent = select.selectedOptions[0].textContent;
  };

  range.addEventListener("input", move);
  stage.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    stage.setPointerCapture(event.pointerId);
    range.focus({ preventScroll: true });
    follow(event);
  });
  stage.addEventListener("pointermove", (event) => {
    if (stage.hasPointerCapture(event.pointerId)) follow(event);
  });
  for (const side of ["left", "right"]) {
    const select = slider.querySelector("select." + side);
    select.addEventListener("change", () => choose(side, select));
    choose(side, select); // a reloaded page keeps what was chosen
  }
  move();
  slider.querySelectorAll("[hidden]").forEach((part) => { part.hidden = false; });
}

// A column by number (by name for the first); what has no value stays at the end.
function sortRows(table, column, direction) {
  const body = table.tBodies[0];
  const sign = direction === "ascending" ? 1 : -1;
  const keyed = Array.from(body.rows, (row) => ({ row, text: row.cells[column].dataset.value ?? row.cells[column].textContent }));
  const order = column === 0
    ? (a, b) => sign * a.text.localeCompare(b.text, undefined, { numeric: true })
    : (a, b) => (a.text === "") - (b.text === "") || sign * (a.text - b.text || 0);
  body.append(...keyed.sort(order).map((item) => item.row));
}

function makeSortable(table) {
  const heads = table.querySelectorAll("th[data-column]");
  for (const head of heads) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const column = Number(head.dataset.column);
      const first = column === 0 ? "ascending" : "descending";
      const second = column === 0 ? "descending" : "ascending";
      const direction = head.getAttribute("aria-sort") === first ? second : first;
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", direction);
      sortRows(table, column, direction);
    });
  }
}

document.querySelectorAll(".slider").forEach(makeSlider);
document.querySelectorAll("table.sortable").forEach(makeSortable);
