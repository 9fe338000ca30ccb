"use strict";
(() => {
	const every = 10000, soon = 1000, longest = 300000;
	const pause = () => document.querySelector("[data-soon]") ? soon : every;
	let wait = pause(), tag = null, timer = 0;
	const say = (text) => { const live = document.getElementById("live"); if (live.textContent !== text) live.textContent = text; };

	// Buttons that copy the commands, and sliders.
	const decorate = (root) => {
		for (const head of root.querySelectorAll("th[data-step]")) slide(head);
		if (!navigator.clipboard) return;
		for (const code of root.querySelectorAll(".do code")) {
			if (code.nextElementSibling?.tagName === "BUTTON") continue;
			const button = document.createElement("button");
			button.type = "button";
			button.className = "copy";
			button.textContent = "Copy";
			button.setAttribute("aria-label", "Copy " + code.textContent);
			button.onclick = () => navigator.clipboard.writeText(code.textContent).then(() => { button.textContent = "Copied"; }, () => {});
			code.after(button);
		}
	};

	// A slider at the head of a column of charts shows the numbers of one hour or day, and so
	// does the pointer.
	const slide = (head) => {
		const step = Number(head.dataset.step), column = head.cellIndex, input = document.createElement("input");
		let held = false;
		const rows = [...head.closest("table").tBodies[0].rows].map((row) => {
			const cell = row.cells[column], svg = cell.querySelector("svg"), figure = cell.querySelector("p"), at = document.createElementNS(svg.namespaceURI, "path");
			at.classList.add("at");
			return { name: row.cells[0].innerText.replace("\n", " "), svg, figure, at, told: [...figure.childNodes], counts: svg.dataset.counts.split(" ").map(Number) };
		});
		const format = { day: "numeric", month: "short", timeZone: "UTC", ...(step < 86400 && { hour: "2-digit", minute: "2-digit" }) };
		const show = (slot) => {
			const when = new Date((Number(head.dataset.begin) + slot * step) * 1000).toLocaleString("en-GB", format).replace(",", "");
			input.value = slot;
			input.setAttribute("aria-valuetext", when + ": " + rows.map((row) => row.name + " " + row.counts[slot]).join(", "));
			for (const row of rows) {
				const small = document.createElement("small");
				small.textContent = when;
				row.figure.replaceChildren(row.counts[slot].toLocaleString("en-US") + " ", small);
				row.at.setAttribute("d", `M${slot * 10 - 1} 0h10v100h-10z`);
				row.svg.append(row.at);
			}
		};
		const hide = () => {
			if (held) return;
			for (const row of rows) { row.figure.replaceChildren(...row.told); row.at.remove(); }
		};
		input.type = "range";
		input.max = rows[0].counts.length - 1;
		input.value = input.max;
		input.setAttribute("aria-label", head.dataset.name);
		input.oninput = input.onfocus = () => { held = true; show(Number(input.value)); };
		input.onblur = () => { held = false; hide(); };
		for (const { svg, counts } of rows) {
			svg.onpointermove = (event) => show(Math.min(counts.length - 1, Math.max(0, Math.floor(event.offsetX / svg.clientWidth * counts.length))));
			svg.onpointerleave = hide;
		}
		head.append(input);
	};

	// Parts that differ are replaced, unless the reader is in them.
	const shown = new Map();
	const remember = () => { for (const part of document.querySelectorAll("[data-part]")) shown.set(part.id, part.outerHTML); };
	const busy = (part) => part.contains(document.activeElement) || (getSelection()?.type === "Range" && getSelection().containsNode(part, true));
	const replace = (text) => {
		const next = new DOMParser().parseFromString(text, "text/html");
		document.title = next.title;
		document.querySelector("link[rel=icon]").replaceWith(next.querySelector("link[rel=icon]"));
		let all = true;
		for (const part of document.querySelectorAll("[data-part]")) {
			const other = next.getElementById(part.id);
			const html = other ? other.outerHTML : "";
			if (html === shown.get(part.id)) continue;
			if (busy(part)) { all = false; continue; }
			const open = [...part.querySelectorAll("details[open]")].map((d) => d.id);
			shown.set(part.id, html);
			if (!other) { part.replaceChildren(); continue; }
			part.replaceWith(other);
			for (const id of open) { const d = document.getElementById(id); if (d) d.open = true; }
			decorate(other);
		}
		return all;
	};

	const refresh = async () => {
		try {
			const answer = await fetch(location.pathname + location.search, { headers: tag ? { "If-None-Match": tag } : {}, cache: "no-store", redirect: "error" });
			if (answer.status === 200) {
				const text = await answer.text();
				tag = replace(text) ? answer.headers.get("ETag") : null;
			} else if (answer.status !== 304) {
				throw new Error(answer.status);
			}
			const at = new Date(answer.headers.get("Date") || Date.now());
			const asOf = document.getElementById("as-of");
			asOf.dateTime = at.toISOString();
			asOf.textContent = at.toLocaleString("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit", timeZone: "UTC" }).replace(",", "") + " UTC";
			wait = pause();
			say("");
		} catch (error) {
			wait = Math.min(wait * 2, longest);
			say("The server does not answer. This is what it said last.");
		}
		plan();
	};
	const plan = () => {
		clearTimeout(timer);
		if (!document.hidden) timer = setTimeout(refresh, wait);
	};
	document.addEventListener("visibilitychange", () => { if (document.hidden) clearTimeout(timer); else refresh(); });
	remember();
	decorate(document);
	plan();
})();
