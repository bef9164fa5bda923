group written { element body { text; } }
