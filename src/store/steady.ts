// Statements that are compiled once, however often they are bound.

/**
 * SQLite compiles a statement anew when a parameter is bound that its planner has asked for: that of a LIMIT, and any that a partial
 * index might answer. It takes 3 to 60 µs each time, where running it takes 1. Behind a sign, which changes nothing of any value, the
 * planner does not see a parameter.
 */
export function steady(sql: string): string {
  return sql.replaceAll(/\?|:[a-z_]+/gi, '+$&');
}
