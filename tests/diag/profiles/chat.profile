profile chat { message chat { element body { text; } } }
