// Pictures: opened large, each with what is known of it. The page shows them, smaller, without.
{
  const viewer = document.getElementById("viewer");
  const part = name => document.getElementById(`viewer-${name}`);
  const element = (tag, text, className) =>
    Object.assign(document.createElement(tag), { textContent: text ?? "", className: className ?? "" });
  // Of 10,000; what is neither none nor all is never shown as such.
  const percent = share =>
    share < 5 ? "<0.1\u202f%" : share > 9999 ? ">99.99\u202f%" : `${(share / 100).toFixed(share < 9950 ? 1 : 2)}\u202f%`;
  const parsed = new Map();
  const imagesFor = id => {
    if (!parsed.has(id)) parsed.set(id, JSON.parse(document.getElementById(id).textContent));
    return parsed.get(id);
  };
  const shape = (id, box) => {
    const svg = document.createElementNS(document.querySelector("svg").namespaceURI, "svg");
    svg.setAttribute("viewBox", box);
    svg.setAttribute("class", "picture");
    svg.innerHTML = `<use href="#p-${id}"></use>`;
    return svg;
  };
  let items = [], place = 0;

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

  const neighbourList = (image, data) => {
    const row = element("div", "", "nearest");
    row.append(element("p", "Nearest in train, by the network's features"));
    for (const id of image.neighbours) {
      const other = data.images[id], kept = document.getElementById(`p-${id}`);
      if (!other || !kept) return [];
      const box = element("div");
      box.append(shape(id, `0 0 ${kept.getAttribute("width")} ${kept.getAttribute("height")}`), other.label);
      row.append(box);
    }
    return image.neighbours.length ? [row] : [];
  };

  // An item: what names it, its picture, what is said below it, and where to return to.
  const itemOf = button => ({
    name: button.dataset.name,
    picture: button.firstElementChild,
    caption: [...button.closest("figure").querySelector("figcaption").childNodes]
      .filter(node => !node.matches?.(".file, br")).map(node => node.cloneNode(true)),
    data: button.closest("[data-images]")?.dataset.images,
    id: button.dataset.picture,
    origin: button,
  });
  const show = item => {
    const data = item.data && imagesFor(item.data);
    const image = data && data.images[item.id];
    const path = image?.path ?? item.path;
    part("name").textContent = item.name;
    part("place").textContent = items.length > 1 ? `${place + 1} of ${items.length}` : "";
    for (const name of ["previous", "next"]) part(name).hidden = items.length < 2;
    part("picture").replaceChildren(item.picture.cloneNode(true));
    part("caption").replaceChildren(...item.caption);
    part("paths").replaceChildren(
      ...(path ? pathRow("File", `${data.folder}/${path}`) : []),
      ...(image?.member ? pathRow("In the archive", image.member) : []),
    );
    part("probabilities").replaceChildren(...(image ? probabilityList(image, data.classes) : []));
    part("neighbours").replaceChildren(...(image ? neighbourList(image, data) : []));
  };
  const open = (all, index) => {
    [items, place] = [all, index];
    show(items[place]);
    viewer.showModal();
  };
  const turn = step => {
    place = (place + step + items.length) % items.length;
    show(items[place]);
  };

  document.addEventListener("click", event => {
    const button = event.target.closest("button.open");
    if (!button) return;
    const buttons = [...(button.closest("ul") ?? button.parentNode).querySelectorAll("button.open")];
    open(buttons.map(itemOf), buttons.indexOf(button));
  });
  viewer.addEventListener("close", () => items[place].origin.focus());
  viewer.addEventListener("click", event => { if (event.target === viewer) viewer.close(); });
  part("close").addEventListener("click", () => viewer.close());
  part("previous").addEventListener("click", () => turn(-1));
  part("next").addEventListener("click", () => turn(1));
  viewer.addEventListener("keydown", event => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step || items.length < 2) return;
    event.preventDefault();
    turn(step);
  });
  let touched = null;
  part("picture").addEventListener("pointerdown", event => { touched = event.clientX; });
  part("picture").addEventListener("pointerup", event => {
    const moved = event.clientX - touched;
    if (touched !== null && Math.abs(moved) > 40 && items.length > 1) turn(moved < 0 ? 1 : -1);
    touched = null;
  });

  // The map: what lies under the pointer, or where the arrow keys have gone.
  for (const map of document.querySelectorAll(".map")) {
    const points = JSON.parse(document.getElementById(map.dataset.points).textContent);
    const classes = imagesFor(map.dataset.images).classes;
    const [field, said] = [map.querySelector(".field"), map.querySelector(".said")];
    const [svg, card, here] = [field.querySelector("svg"), field.querySelector(".card"), field.querySelector(".here")];
    const [layers, toggles] = [[...svg.querySelectorAll("g")], [...map.querySelectorAll(".class-shown")]];
    const isShown = index => toggles[points.label[index]].getAttribute("aria-pressed") === "true";
    const wordsFor = index => {
      const [label, called] = [points.label[index], points.called[index]];
      return `labelled ${classes[label]}, called ${classes[called]}`;
    };
    const tileOf = index => {
      const [side, column] = [points.tile, index % points.columns];
      const kept = points.shown[index] && document.getElementById(`p-${points.shown[index]}`);
      return kept
        ? shape(points.shown[index], `0 0 ${kept.getAttribute("width")} ${kept.getAttribute("height")}`)
        : shape(points.mosaic, `${column * side} ${Math.floor(index / points.columns) * side} ${side} ${side}`);
    };
    const nearest = (x, y, accept) => {
      let found = -1, least = Infinity;
      points.x.forEach((px, index) => {
        const distance = (px - x) ** 2 + (points.y[index] - y) ** 2;
        if (distance < least && isShown(index) && accept(px - x, points.y[index] - y)) [found, least] = [index, distance];
      });
      return found;
    };
    let at = -1;
    const go = index => {
      at = index;
      card.hidden = at < 0;
      here.setAttribute("cx", at < 0 ? -99 : points.x[at]);
      here.setAttribute("cy", at < 0 ? -99 : points.y[at]);
      if (at < 0) return;
      const scale = field.clientWidth / svg.viewBox.baseVal.width;
      const [x, y] = [points.x[at] * scale, points.y[at] * scale];
      card.replaceChildren(tileOf(at), element("strong", points.path[at].split("/").pop()), element("div", wordsFor(at)));
      card.style.left = `${Math.max(0, Math.min(x + 14, field.clientWidth - card.offsetWidth))}px`;
      card.style.top = `${y + 14 + card.offsetHeight > field.clientHeight ? Math.max(0, y - 14 - card.offsetHeight) : y + 14}px`;
    };
    const openHere = () => {
      if (at < 0) return;
      open([{
        name: points.path[at].split("/").pop(), picture: tileOf(at), caption: [wordsFor(at)],
        data: map.dataset.images, id: points.shown[at], path: points.path[at], origin: field,
      }], 0);
    };
    const under = event => {
      const box = svg.getBoundingClientRect(), scale = svg.viewBox.baseVal.width / box.width;
      const reach = (event.pointerType === "touch" ? 30 : 16) * scale;
      return nearest((event.clientX - box.left) * scale, (event.clientY - box.top) * scale,
        (dx, dy) => dx * dx + dy * dy < reach * reach);
    };
    let wasAt = -1;
    field.addEventListener("pointermove", event => { if (event.pointerType !== "touch") go(under(event)); });
    field.addEventListener("pointerleave", event => { if (event.pointerType !== "touch") go(-1); });
    field.addEventListener("pointerdown", event => { wasAt = event.pointerType === "touch" ? at : under(event); go(under(event)); });
    field.addEventListener("click", () => { if (at >= 0 && at === wasAt) openHere(); });

    // A finger shows first and opens then; so does a key.
    field.tabIndex = 0;
    field.setAttribute("role", "application");
    field.setAttribute("aria-label", `Map of ${points.x.length} images. Arrow keys go to the nearest image that way, Enter opens it.`);
    const ways = {
      ArrowLeft: (dx, dy) => dx < 0 && Math.abs(dy) <= -dx, ArrowRight: (dx, dy) => dx > 0 && Math.abs(dy) <= dx,
      ArrowUp: (dx, dy) => dy < 0 && Math.abs(dx) <= -dy, ArrowDown: (dx, dy) => dy > 0 && Math.abs(dx) <= dy,
    };
    const tell = () => { said.textContent = at < 0 ? "" : `${points.path[at]}: ${wordsFor(at)}`; };
    field.addEventListener("focus", () => {
      if (!field.matches(":focus-visible")) return;
      if (at < 0) go(nearest(500, svg.viewBox.baseVal.height / 2, () => true));
      tell();
    });
    field.addEventListener("keydown", event => {
      if (event.key === "Enter") { event.preventDefault(); openHere(); }
      if (event.key === "Escape") go(-1);
      if (!(event.key in ways)) return;
      event.preventDefault();
      const next = at < 0 ? nearest(500, 300, () => true) : nearest(points.x[at], points.y[at], ways[event.key]);
      if (next >= 0) go(next);
      tell();
    });

    const press = (toggle, isOn) => {
      toggle.setAttribute("aria-pressed", isOn);
      layers[toggles.indexOf(toggle)].classList.toggle("off", !isOn);
      go(-1);
    };
    for (const toggle of toggles)
      toggle.addEventListener("click", () => press(toggle, toggle.getAttribute("aria-pressed") !== "true"));
    for (const [name, isOn] of [["all", true], ["none", false]])
      map.querySelector(`.legend .${name}`)?.addEventListener("click", () => toggles.forEach(toggle => press(toggle, isOn)));
  }
}
