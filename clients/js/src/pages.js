/**
 * All that there is, page by page as it is asked for.
 *
 * @param {any} options of each page; a cursor among them says where to begin
 * @param {(options: any) => Promise<{found: any[], cursor?: string}>} ask
 */
export async function* pages(options, ask) {
  let { cursor } = options;
  do {
    const page = await ask({ ...options, cursor });
    yield* page.found;
    cursor = page.cursor;
  } while (cursor);
}
