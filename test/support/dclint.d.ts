/** The part of dclint 3 that we use: its package lacks the types that its package.json names. */
declare module 'dclint' {
  export class DCLinter {
    constructor(options: { rules: Record<string, never>; quiet: boolean; debug: boolean; exclude: string[] })
    lintFiles(
      paths: readonly string[],
      fix: boolean,
    ): { errorCount: number; messages: { type: string; message: string }[] }[]
  }
}
