// A click on an example tells the server which one; the query itself comes from the button's own text.
element.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button) trigger("pick", { query: button.textContent });
});
