export function isLink(text: string, length: number): boolean {
  return text.length <= length && URL.canParse(text);
}
