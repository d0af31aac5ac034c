// Pictures: opened large, each with what is known of it. The page shows them, smaller, without.
{
  const viewer = document.getElementById("viewer");
  const part = name => document.getElementById(`viewer-${name}`);
  const element = (tag, text, className) =>
    Object.assign(document.createElement(tag), { textContent: text ?? "", className: className ?? "" });
  const percent = share => `${(share / 100).toFixed(share < 9950 ? 1 : 2)}\u202f%`;
  const parsed = new Map();
  const imagesFor = id => {
    if (!parsed.has(id)) parsed.set(id, JSON.parse(document.getElementById(id).textContent));
    return parsed.get(id);
  };
  let buttons = [], place = 0;

  const copy = async (text, button) => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(button.previousElementSibling);
      button.textContent = document.execCommand("copy") ? "Copied" : "Press Ctrl+C";
    }
  };
  const pathRow = (label, text) => {
    const value = element("dd"), button = element("button", "Copy", "copy");
    button.type = "button";
    button.setAttribute("aria-label", `Copy: ${label}`);
    button.addEventListener("click", () => copy(text, button));
    value.append(element("code", text), button);
    return [element("dt", label), value];
  };
  const probabilityList = (image, classes) => {
    const list = element("ul", "", "probabilities");
    list.tabIndex = 0;
    list.setAttribute("aria-label", "Probability of each class");
    const sorted = image.probabilities.map((share, index) => [share, classes[index]]).sort((a, b) => b[0] - a[0]);
    for (const [share, name] of sorted) {
      const row = element("li"), bar = element("span", "", "bar");
      bar.style.width = `${share / 100}%`;
      row.append(element("span", name, name === image.label ? "label" : ""), bar, element("span", percent(share), "number"));
      list.append(row);
    }
    return [element("h3", "Probabilities"), list];
  };

  const show = button => {
    const source = button.closest("[data-images]");
    const data = source && imagesFor(source.dataset.images);
    const image = data && data.images[button.dataset.picture];
    part("name").textContent = button.dataset.name;
    part("place").textContent = buttons.length > 1 ? `${place + 1} of ${buttons.length}` : "";
    for (const name of ["previous", "next"]) part(name).hidden = buttons.length < 2;
    part("picture").replaceChildren(button.firstElementChild.cloneNode(true));
    part("caption").replaceChildren(...[...button.closest("figure").querySelector("figcaption").childNodes]
      .filter(node => !node.matches?.(".file, br")).map(node => node.cloneNode(true)));
    part("paths").replaceChildren(...(image ? [
      ...pathRow("File", `${data.folder}/${image.path}`),
      ...(image.member ? pathRow("In the archive", image.member) : []),
    ] : []));
    part("probabilities").replaceChildren(...(image ? probabilityList(image, data.classes) : []));
  };
  const turn = step => {
    place = (place + step + buttons.length) % buttons.length;
    show(buttons[place]);
  };

  document.addEventListener("click", event => {
    const button = event.target.closest("button.open");
    if (!button) return;
    buttons = [...(button.closest("ul") ?? button.parentNode).querySelectorAll("button.open")];
    place = buttons.indexOf(button);
    show(button);
    viewer.showModal();
  });
  viewer.addEventListener("close", () => buttons[place].focus());
  viewer.addEventListener("click", event => { if (event.target === viewer) viewer.close(); });
  part("close").addEventListener("click", () => viewer.close());
  part("previous").addEventListener("click", () => turn(-1));
  part("next").addEventListener("click", () => turn(1));
  viewer.addEventListener("keydown", event => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step || buttons.length < 2) return;
    event.preventDefault();
    turn(step);
  });
  let touched = null;
  part("picture").addEventListener("pointerdown", event => { touched = event.clientX; });
  part("picture").addEventListener("pointerup", event => {
    const moved = event.clientX - touched;
    if (touched !== null && Math.abs(moved) > 40 && buttons.length > 1) turn(moved < 0 ? 1 : -1);
    touched = null;
  });
}
