// Photos to try, each with a mask of what is to be filled.

const EXAMPLES = [
  { photo: "cat.webp", mask: "cat-mask.png", title: "A scratched photo" },
  { photo: "rocket.jpg", mask: "rocket-mask.png", title: "Two towers too many" },
];

const file = async (name) => new File([await (await fetch(`static/examples/${name}`)).blob()], name);

export function showExamples(place, onChoose) {
  for (const { photo, mask, title } of EXAMPLES) {
    const button = document.createElement("button");
    const image = Object.assign(new Image(), { src: `static/examples/${photo}`, alt: "" });
    button.append(image, title);
    button.addEventListener("click", async () => onChoose(await file(photo), await file(mask)));
    place.append(button);
  }
}
