const irregular: Record<string, string> = {
  analysis: 'analyses',
  child: 'children',
  cookie: 'cookies',
  criterion: 'criteria',
  foot: 'feet',
  half: 'halves',
  hero: 'heroes',
  hypothesis: 'hypotheses',
  index: 'indices',
  knife: 'knives',
  leaf: 'leaves',
  life: 'lives',
  man: 'men',
  matrix: 'matrices',
  mouse: 'mice',
  movie: 'movies',
  person: 'people',
  quiz: 'quizzes',
  shelf: 'shelves',
  thesis: 'theses',
  tooth: 'teeth',
  vertex: 'vertices',
  woman: 'women',
}

const singulars = new Map(Object.entries(irregular).map(([singular, plural]) => [plural, singular]))

/** The plural of one lower-case English word that is in the singular: the regular rules and the irregular words above. */
export function pluralOf(word: string): string {
  const known = irregular[word]
  if (known !== undefined) return known
  if (/(?:s|x|z|ch|sh)$/.test(word)) return `${word}es`
  if (/[^aeiou]y$/.test(word)) return `${word.slice(0, -1)}ies`
  return `${word}s`
}

/** The singular of one lower-case English word; a word that is no plural by these rules comes back as it is. */
export function singularOf(word: string): string {
  const known = singulars.get(word)
  if (known !== undefined) return known
  if (/[^aeiou]ies$/.test(word)) return `${word.slice(0, -3)}y`
  if (/(?:ss|x|z|ch|sh|us)es$/.test(word)) return word.slice(0, -2)
  if (/[^sui]s$/.test(word)) return word.slice(0, -1)
  return word
}
