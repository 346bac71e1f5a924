"""How the book is made: claims, exercises, publishing. It imports gamlib; gamlib never imports it."""
